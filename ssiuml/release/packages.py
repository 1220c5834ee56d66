"""The Debian packages of a root, as parts of a bill of materials."""

import io
import logging
import re
from collections.abc import Mapping
from typing import Any, Final, cast

from debian.copyright import Copyright, License, NotMachineReadableError
from packageurl import PackageURL

from ssiuml.debian.deb import STATUS, installed
from ssiuml.release.component import Component
from ssiuml.tree.tree import Kind, Tree

_COMMON: Final = re.compile(r"/usr/share/common-licenses/([A-Za-z0-9.+-]*[A-Za-z0-9+])")
# Debian's short names that SPDX's list has under another one; `GPL-2+` and the like go by a rule.
_SPDX: Final = {
    "Expat": "MIT",
    "Artistic": "Artistic-1.0-Perl",
    "Apache-2": "Apache-2.0",
    "BSD": "BSD-3-Clause",
    "BSD-2-clause": "BSD-2-Clause",
    "BSD-3-clause": "BSD-3-Clause",
    "BSD-4-clause": "BSD-4-Clause",
    "zlib": "Zlib",
}
_BETWEEN: Final = re.compile(r",? +and/or +|,? +or +|,? +and +|, *")
_GNU: Final = re.compile(r"(A?GPL|LGPL|GFDL)-(\d)(\.\d)?(\+)?")

logging.getLogger("debian.copyright").setLevel(logging.ERROR)  # it warns of fields that nobody here reads


def debian_components(
    tree: Tree, distribution: str, suite: str, digests: Mapping[str, str]
) -> list[Component]:
    """The packages that are installed by dpkg's status file in *tree*.

    *digests* are SHA-256 of their .debs by name, where known. Where the source package is to be had for
    ever is snapshot.debian.org.
    """
    return [
        _component(fields, tree, distribution, suite, digests)
        for fields in installed(tree.lookup(STATUS).read().decode("utf-8"))
    ]


def debian_component(
    distribution: str, suite: str, name: str, version: str, architecture: str, source: str = "", **more: Any
) -> Component:
    """One binary package; *source* as its field Source has it, NAME or NAME (VERSION)."""
    source_name, _, source_version = (source or name).partition(" ")
    return Component(
        name=name,
        version=version,
        purl=PackageURL(
            "deb", distribution, name, version, {"arch": architecture, "distro": suite}
        ).to_string(),
        source=f"https://snapshot.debian.org/package/{source_name}/{source_version.strip('()') or version}/",
        **more,
    )


def _component(
    fields: Mapping[str, str], tree: Tree, distribution: str, suite: str, digests: Mapping[str, str]
) -> Component:
    name = fields["Package"]
    return debian_component(
        distribution,
        suite,
        name,
        fields["Version"],
        fields["Architecture"],
        fields.get("Source", ""),
        licences=_licences(tree, name),
        sha256=digests.get(name, ""),
    )


def _licences(tree: Tree, package: str) -> list[str]:
    path = f"usr/share/doc/{package}/copyright"
    node = tree.find(path)
    if node is None or node.kind is not Kind.FILE:
        return ["unknown"]
    return licences_of(node.read()) or [f"see /{path}"]  # words of its own that no program reads


def licences_of(copyright_file: bytes) -> list[str]:
    """Short names of the licences that a copyright file names, SPDX's where there is one, each once.

    Of a file that is no DEP-5 those that it refers to in /usr/share/common-licenses, by Debian's names: a
    reference to GPL-2 does not say whether later versions will do.
    """
    text = copyright_file.decode("utf-8", "replace")
    try:
        parsed = Copyright(io.StringIO(text), strict=False)
        found = [cast(License | None, each.license) for each in parsed.all_files_paragraphs()]
        names = [licence.synopsis for licence in found if licence is not None]
    except (NotMachineReadableError, ValueError):
        return sorted({_SPDX.get(name, name) for name in _COMMON.findall(text)})
    words = (word for name in names for word in _BETWEEN.split(name))
    return sorted({_spdx(word.strip("() ")) for word in words if word.strip("() ")})


def _spdx(name: str) -> str:
    gnu = _GNU.fullmatch(name)
    if gnu is None:
        return _SPDX.get(name, name)
    later = "or-later" if gnu[4] else "only"
    return f"{gnu[1]}-{gnu[2]}{gnu[3] or '.0'}-{later}"

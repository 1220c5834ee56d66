"""The Debian packages of a root as components, with the licences that their copyright files name.

Source: machine-readable debian/copyright (DEP-5), Debian Policy 12.5.
"""

import re
from collections.abc import Mapping
from typing import Any, Final

from packageurl import PackageURL

from ssiuml.debian.deb import STATUS, installed
from ssiuml.release.component import Component
from ssiuml.tree.tree import Kind, Tree

_COMMON: Final = re.compile(r"/usr/share/common-licenses/([A-Za-z0-9.+-]*[A-Za-z0-9+])")
# Debian's short names that SPDX spells differently. `GPL-2+` and its like follow a rule, see _spdx.
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
# Debian Policy 5.1: a name has no spaces and no colon, and does not begin with # or -.
_FIELD: Final = re.compile(r"([!\"$-,/-9;-\x7f][!-9;-\x7f]*):(.*)")


def debian_components(
    tree: Tree, distribution: str, suite: str, digests: Mapping[str, str]
) -> list[Component]:
    """Return the packages that dpkg's status file in *tree* calls installed.

    *digests* are the known SHA-256 of their .debs by package name. The source of each is its source package
    at snapshot.debian.org, which keeps every version. Raise TreeError if *tree* has no status file.
    """
    return [
        _component(fields, tree, distribution, suite, digests)
        for fields in installed(tree.lookup(STATUS).read().decode("utf-8"))
    ]


def debian_component(
    distribution: str, suite: str, name: str, version: str, architecture: str, source: str = "", **more: Any
) -> Component:
    """Return one binary package; *source* is its field Source, such as ``NAME`` or ``NAME (VERSION)``."""
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
    return licences_of(node.read()) or [f"see /{path}"]  # a text without names of licences


def licences_of(copyright_file: bytes) -> list[str]:
    """Return the licences that a copyright file names, each once, sorted, by SPDX's names where they exist.

    If the file is not machine-readable, return those that it refers to in /usr/share/common-licenses, by
    Debian's names: a reference to GPL-2 does not tell whether later versions are allowed.
    """
    text = copyright_file.decode("utf-8", "replace")
    names = _of_files(text)
    if names is None:
        return sorted({_SPDX.get(name, name) for name in _COMMON.findall(text)})
    words = (word for name in names for word in _BETWEEN.split(name))
    return sorted({_spdx(word.strip("() ")) for word in words if word.strip("() ")})


def _of_files(text: str) -> list[str] | None:
    """Return what the paragraphs of files have in the first line of License; None if that is no such text.

    A parser that keeps each part of a file, to change it, takes 30 ms for each of some 200 packages.
    """
    paragraphs: list[dict[str, str]] = []
    fields: dict[str, str] | None = None  # None between paragraphs
    for line in text.split("\n"):
        if not line.strip():
            fields = None
        elif line[0] in " \t":  # more of a value
            if fields is None:
                return None
        elif line[0] != "#":
            match = _FIELD.match(line)
            if match is None:
                return None
            if fields is None:
                fields = {}
                paragraphs.append(fields)
            fields.setdefault(match[1].lower(), match[2].strip())
    if not paragraphs or "format" not in paragraphs[0]:
        return None
    return [each.get("license", "") for each in paragraphs[1:] if "files" in each]


def _spdx(name: str) -> str:
    """Return SPDX's name of a licence, such as GPL-2.0-or-later for GPL-2+, else *name* itself."""
    gnu = _GNU.fullmatch(name)
    if gnu is None:
        return _SPDX.get(name, name)
    later = "or-later" if gnu[4] else "only"
    return f"{gnu[1]}-{gnu[2]}{gnu[3] or '.0'}-{later}"

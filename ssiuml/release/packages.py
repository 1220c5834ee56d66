"""The Debian packages of a root, as parts of a bill of materials."""

from collections.abc import Mapping
from typing import Any

from packageurl import PackageURL

from ssiuml.debian.deb import STATUS, installed
from ssiuml.release.licences import licences_of
from ssiuml.release.part import Part
from ssiuml.tree.tree import Kind, Tree


def debian_parts(tree: Tree, distribution: str, suite: str, digests: Mapping[str, str]) -> list[Part]:
    """The packages that are installed by dpkg's status file in *tree*.

    *digests* are SHA-256 of their .debs by name, where known. Where the source package is to be had for
    ever is snapshot.debian.org.
    """
    return [
        _part(fields, tree, distribution, suite, digests)
        for fields in installed(tree.lookup(STATUS).read().decode("utf-8"))
    ]


def debian_part(
    distribution: str, suite: str, name: str, version: str, architecture: str, source: str = "", **more: Any
) -> Part:
    """One binary package; *source* as its field Source has it, NAME or NAME (VERSION)."""
    source_name, _, source_version = (source or name).partition(" ")
    return Part(
        name=name,
        version=version,
        url=PackageURL(
            "deb", distribution, name, version, {"arch": architecture, "distro": suite}
        ).to_string(),
        source=f"https://snapshot.debian.org/package/{source_name}/{source_version.strip('()') or version}/",
        **more,
    )


def _part(
    fields: Mapping[str, str], tree: Tree, distribution: str, suite: str, digests: Mapping[str, str]
) -> Part:
    name = fields["Package"]
    return debian_part(
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

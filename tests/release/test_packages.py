"""Debian packages as parts, from dpkg's own status file."""

import pytest
from packageurl import PackageURL

from ssiuml.debian.deb import STATUS
from ssiuml.release.packages import debian_part, debian_parts
from ssiuml.tree.tree import Literal, Meta, Tree, TreeError, file, symlink

STATUS_FILE = """\
Package: libstdc++6
Status: install ok installed
Architecture: amd64
Source: gcc-12 (12.2.0-14)
Version: 12.2.0-14+deb12u1
Description: x
 Version: no field

Package: base-files
Status: hold ok installed
Architecture: all
Version: 1:2.3~rc1-4

Package: removed
Status: deinstall ok config-files
Architecture: amd64
Version: 1

Package: libgcc-s1
Status: install ok installed
Architecture: amd64
Source: gcc-12
Version: 12.2.0-14
"""
COPYRIGHT = b"See /usr/share/common-licenses/GPL-3.\n"


def _tree() -> Tree:
    tree = Tree()
    tree.add(STATUS, file(Literal(STATUS_FILE.encode()), Meta(mode=0o644)))
    tree.add("usr/share/doc/gcc-12-base/copyright", file(Literal(COPYRIGHT), Meta(mode=0o644)))
    tree.add("usr/share/doc/libgcc-s1", symlink("gcc-12-base"))
    return tree


def test_each_package_that_is_installed_has_version_source_and_digest_as_far_as_they_are_known() -> None:
    parts = debian_parts(_tree(), "debian", "bookworm", {"base-files": "ab" * 32})
    by_name = {part.name: part for part in parts}
    assert {part.name: part.version for part in parts} == {
        "libstdc++6": "12.2.0-14+deb12u1",
        "base-files": "1:2.3~rc1-4",
        "libgcc-s1": "12.2.0-14",
    }
    snapshot = "https://snapshot.debian.org/package"
    assert by_name["libstdc++6"].source == f"{snapshot}/gcc-12/12.2.0-14/"
    assert by_name["libgcc-s1"].source == f"{snapshot}/gcc-12/12.2.0-14/"
    assert by_name["base-files"].source == f"{snapshot}/base-files/1:2.3~rc1-4/"
    assert {part.name: part.sha256 for part in parts if part.sha256} == {"base-files": "ab" * 32}


def test_licences_are_found_through_links_between_documents() -> None:
    parts = debian_parts(_tree(), "debian", "bookworm", {})
    found = {part.name: part.licences for part in parts if part.licences != ["unknown"]}
    assert found == {"libgcc-s1": ["GPL-3"]}


def test_a_package_url_gives_back_what_it_was_made_of() -> None:
    found = PackageURL.from_string(debian_part("debian", "bookworm", "g++", "1:2~3+b1", "amd64").url)
    assert (found.type, found.namespace, found.name, found.version) == ("deb", "debian", "g++", "1:2~3+b1")
    assert found.qualifiers == {"arch": "amd64", "distro": "bookworm"}


def test_a_root_without_dpkg_is_an_error_that_names_the_file() -> None:
    with pytest.raises(TreeError, match=STATUS):
        debian_parts(Tree(), "debian", "bookworm", {})

"""Debian packages as components, with their licences; SPDX's list judges the licences' names."""

import io
import logging
from pathlib import Path
from typing import cast

import pytest
from cyclonedx.spdx import is_supported_id
from debian.copyright import Copyright, License, NotMachineReadableError
from hypothesis import given
from hypothesis import strategies as st
from packageurl import PackageURL

from ssiuml.debian.deb import STATUS
from ssiuml.release.packages import debian_component, debian_components, licences_of
from ssiuml.tree.tree import Literal, Meta, Tree, TreeError, file, symlink

logging.getLogger("debian.copyright").setLevel(logging.ERROR)  # it warns of fields that are not read here

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


def test_each_installed_package_has_version_source_and_the_known_digest() -> None:
    components = debian_components(_tree(), "debian", "bookworm", {"base-files": "ab" * 32})
    by_name = {one.name: one for one in components}
    assert {one.name: one.version for one in components} == {
        "libstdc++6": "12.2.0-14+deb12u1",
        "base-files": "1:2.3~rc1-4",
        "libgcc-s1": "12.2.0-14",
    }
    snapshot = "https://snapshot.debian.org/package"
    assert by_name["libstdc++6"].source == f"{snapshot}/gcc-12/12.2.0-14/"
    assert by_name["libgcc-s1"].source == f"{snapshot}/gcc-12/12.2.0-14/"
    assert by_name["base-files"].source == f"{snapshot}/base-files/1:2.3~rc1-4/"
    assert {one.name: one.sha256 for one in components if one.sha256} == {"base-files": "ab" * 32}


def test_a_copyright_file_is_found_through_a_link_between_folders() -> None:
    components = debian_components(_tree(), "debian", "bookworm", {})
    found = {one.name: one.licences for one in components if one.licences != ["unknown"]}
    assert found == {"libgcc-s1": ["GPL-3"]}


def test_a_package_url_is_read_back_unchanged() -> None:
    found = PackageURL.from_string(debian_component("debian", "bookworm", "g++", "1:2~3+b1", "amd64").purl)
    assert (found.type, found.namespace, found.name, found.version) == ("deb", "debian", "g++", "1:2~3+b1")
    assert found.qualifiers == {"arch": "amd64", "distro": "bookworm"}


def test_a_root_without_a_status_file_is_an_error_that_names_the_file() -> None:
    with pytest.raises(TreeError, match=STATUS):
        debian_components(Tree(), "debian", "bookworm", {})


# licences_of

HEAD = "Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/\nUpstream-Name: x\n\n"


def _dep5(*licences: str) -> bytes:
    each = "".join(f"Files: {n}*\nCopyright: x\nLicense: {name}\n\n" for n, name in enumerate(licences))
    return (HEAD + each).encode()


@pytest.mark.parametrize(
    ("debian", "spdx"),
    [
        ("GPL-2+", "GPL-2.0-or-later"),
        ("GPL-3", "GPL-3.0-only"),
        ("GPL-1+", "GPL-1.0-or-later"),
        ("LGPL-2.1+", "LGPL-2.1-or-later"),
        ("LGPL-2", "LGPL-2.0-only"),
        ("AGPL-3+", "AGPL-3.0-or-later"),
        ("GFDL-1.3+", "GFDL-1.3-or-later"),
        ("GPL-2.0-only", "GPL-2.0-only"),
        ("Expat", "MIT"),
        ("MIT", "MIT"),
        ("Apache-2.0", "Apache-2.0"),
        ("Artistic", "Artistic-1.0-Perl"),
        ("BSD-3-clause", "BSD-3-Clause"),
        ("BSD-2-clause", "BSD-2-Clause"),
        ("zlib", "Zlib"),
        ("ISC", "ISC"),
        ("CC0-1.0", "CC0-1.0"),
    ],
)
def test_debians_names_become_spdx_names(debian: str, spdx: str) -> None:
    assert licences_of(_dep5(debian)) == [spdx]
    assert is_supported_id(spdx)


@pytest.mark.parametrize("name", ["public-domain", "GPL-2+ with OpenSSL exception", "permissive", "GPL"])
def test_names_that_spdx_lacks_stay(name: str) -> None:
    assert licences_of(_dep5(name)) == [name]


@pytest.mark.parametrize(
    ("words", "names"),
    [
        ("GPL-2+ or MIT", ["GPL-2.0-or-later", "MIT"]),
        ("GPL-2+ and MIT", ["GPL-2.0-or-later", "MIT"]),
        ("GPL-2+ and/or MIT", ["GPL-2.0-or-later", "MIT"]),
        ("GPL-2+, or MIT, and ISC", ["GPL-2.0-or-later", "ISC", "MIT"]),
        ("GPL-2+, MIT", ["GPL-2.0-or-later", "MIT"]),
        ("(GPL-2+ or MIT) and ISC", ["GPL-2.0-or-later", "ISC", "MIT"]),
    ],
)
def test_lists_of_licences_are_split(words: str, names: list[str]) -> None:
    assert licences_of(_dep5(words)) == names


def test_each_licence_of_all_files_is_named_once() -> None:
    assert licences_of(_dep5("MIT", "Expat", "GPL-2", "ISC\n text of it\n .\n more")) == [
        "GPL-2.0-only",
        "ISC",
        "MIT",
    ]


def test_licences_that_no_files_paragraph_names_are_left_out() -> None:
    text = _dep5("MIT").decode() + "License: GPL-2\n text, which a list above may refer to\n"
    assert licences_of(text.encode()) == ["MIT"]


def test_a_file_that_is_not_machine_readable_gives_the_licences_that_it_refers_to_and_no_later_versions() -> (
    None
):
    text = b"""This is free software; either version 2, or (at your option) any later version.
On Debian systems see `/usr/share/common-licenses/GPL-2'. Parts: /usr/share/common-licenses/BSD,
/usr/share/common-licenses/LGPL-2.1. And /usr/share/common-licenses/GPL-2, as said.
"""
    assert licences_of(text) == ["BSD-3-Clause", "GPL-2", "LGPL-2.1"]


@pytest.mark.parametrize(
    "text", [b"", b"\n", b"public domain\n", b"\xff\0\xfe", b"\xff/usr/share/common-licenses/"]
)
def test_a_file_without_licences_gives_an_empty_list(text: bytes) -> None:
    assert licences_of(text) == []


def test_bytes_that_are_not_utf_8_do_not_hide_the_rest() -> None:
    assert licences_of(_dep5("MIT").replace(b"Copyright: x", b"Copyright: \xe9ric")) == ["MIT"]


_PIECES = st.one_of(
    st.binary(max_size=20),
    st.sampled_from(
        [HEAD.encode(), b"Files: *\n", b"License:\n", b"License: a\n b\n", b"\n", b"Format: x\n", b": x\n"]
    ),
)


@given(st.lists(_PIECES, max_size=12))
def test_no_file_raises_an_error(pieces: list[bytes]) -> None:
    assert all(licences_of(b"".join(pieces)))


def _names_by_python_debian(text: bytes) -> list[str] | None:
    """Return the licences of the paragraphs of files; None if the text is not machine-readable."""
    try:
        parsed = Copyright(io.StringIO(text.decode()), strict=False)
    except (NotMachineReadableError, ValueError):
        return None
    found = [cast("License | None", each.license) for each in parsed.all_files_paragraphs()]
    return [licence.synopsis for licence in found if licence is not None]


def test_the_copyright_files_of_this_machine_are_read_as_python_debian_reads_them() -> None:
    paths = sorted(Path("/usr/share/doc").glob("*/copyright"))[::10]  # it takes 30 ms for each
    if not paths:
        pytest.skip("this machine has no packages of Debian")
    for path in paths:
        text = path.read_bytes()
        names = _names_by_python_debian(text)
        dep5 = None if names is None else _dep5(*filter(None, names))
        if dep5 is None:
            assert not any("-only" in name or "-or-later" in name for name in licences_of(text)), path
        else:
            assert licences_of(text) == licences_of(dep5), path


@pytest.mark.parametrize("package", ["bash", "coreutils", "dpkg", "tar"])
def test_gnu_programs_of_a_debian_system_are_under_the_gpl(package: str) -> None:
    path = Path(f"/usr/share/doc/{package}/copyright")
    if not path.is_file():
        pytest.skip(f"{path} is not on this machine")
    assert any(name.startswith("GPL-") for name in licences_of(path.read_bytes()))

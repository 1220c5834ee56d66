"""Licences of Debian packages by their copyright files; SPDX's list judges the names."""

from pathlib import Path

import pytest
from cyclonedx.spdx import is_supported_id
from hypothesis import given
from hypothesis import strategies as st

from ssiuml.release.licences import licences_of

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
def test_debians_names_become_those_of_spdx(debian: str, spdx: str) -> None:
    assert licences_of(_dep5(debian)) == [spdx]
    assert is_supported_id(spdx)


@pytest.mark.parametrize("name", ["public-domain", "GPL-2+ with OpenSSL exception", "permissive", "GPL"])
def test_other_names_stay(name: str) -> None:
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
def test_lists_are_taken_apart(words: str, names: list[str]) -> None:
    assert licences_of(_dep5(words)) == names


def test_each_licence_of_all_files_is_named_once() -> None:
    assert licences_of(_dep5("MIT", "Expat", "GPL-2", "ISC\n text of it\n .\n more")) == [
        "GPL-2.0-only",
        "ISC",
        "MIT",
    ]


def test_licences_of_no_files_are_left_out() -> None:
    text = _dep5("MIT").decode() + "License: GPL-2\n text, which a list above may refer to\n"
    assert licences_of(text.encode()) == ["MIT"]


def test_a_file_for_people_gives_what_it_refers_to_and_claims_no_more() -> None:
    text = b"""This is free software; either version 2, or (at your option) any later version.
On Debian systems see `/usr/share/common-licenses/GPL-2'. Parts: /usr/share/common-licenses/BSD,
/usr/share/common-licenses/LGPL-2.1. And /usr/share/common-licenses/GPL-2, as said.
"""
    assert licences_of(text) == ["BSD-3-Clause", "GPL-2", "LGPL-2.1"]


@pytest.mark.parametrize(
    "text", [b"", b"\n", b"public domain\n", b"\xff\0\xfe", b"\xff/usr/share/common-licenses/"]
)
def test_what_names_none_gives_none(text: bytes) -> None:
    assert licences_of(text) == []


def test_bytes_that_are_no_text_do_not_hide_the_rest() -> None:
    assert licences_of(_dep5("MIT").replace(b"Copyright: x", b"Copyright: \xe9ric")) == ["MIT"]


_PIECES = st.one_of(
    st.binary(max_size=20),
    st.sampled_from(
        [HEAD.encode(), b"Files: *\n", b"License:\n", b"License: a\n b\n", b"\n", b"Format: x\n", b": x\n"]
    ),
)


@given(st.lists(_PIECES, max_size=12))
def test_no_bytes_are_an_error(pieces: list[bytes]) -> None:
    assert all(licences_of(b"".join(pieces)))


@pytest.mark.parametrize("package", ["bash", "coreutils", "dpkg", "tar"])
def test_gnu_programs_of_a_debian_system_are_under_the_gpl(package: str) -> None:
    path = Path(f"/usr/share/doc/{package}/copyright")
    if not path.is_file():
        pytest.skip(f"{path} is not on this machine")
    assert any(name.startswith("GPL-") for name in licences_of(path.read_bytes()))

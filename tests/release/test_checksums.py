"""SHA256SUMS; the program sha256sum judges it."""

import subprocess
from pathlib import Path

import pytest
from files_on_disk import sha256sum, write_files
from programs import output_of

from ssiuml.errors import SsiumlError
from ssiuml.release.checksums import NAME, digests_below, read_checksums, write_checksums

FILES = {"b-1.tar.bz2": b"b", "a-1.tar.xz": b"a", "with blanks  in it": b"", "\u00fc": b"\0\n"}
ZEROS = "0" * 64


def _sums(folder: Path, text: bytes) -> Path:
    (folder / NAME).write_bytes(text)
    return folder


def test_sha256sum_accepts_the_file_and_it_is_read_back(tmp_path: Path) -> None:
    write_files(tmp_path, FILES)
    digests = digests_below(tmp_path, {})
    assert write_checksums(tmp_path, digests) == tmp_path / NAME
    said = output_of("sh", "-c", f'cd "$1" && sha256sum --check --strict {NAME}', "sh", tmp_path)
    assert sorted(line.removesuffix(": OK") for line in said.splitlines()) == sorted(FILES)
    assert read_checksums(tmp_path) == digests


def test_the_file_is_the_one_that_sha256sum_writes(tmp_path: Path) -> None:
    names = sorted(write_files(tmp_path, FILES).iterdir())
    theirs = output_of(
        "sh", "-c", 'cd "$1" && shift && sha256sum "$@"', "sh", tmp_path, *(n.name for n in names)
    )
    write_checksums(tmp_path, digests_below(tmp_path, {}))
    assert (tmp_path / NAME).read_text() == theirs


def test_the_order_of_the_digests_does_not_matter(tmp_path: Path) -> None:
    one = write_checksums(tmp_path / "1", {"b": ZEROS, "a": ZEROS})
    assert one.read_bytes() == write_checksums(tmp_path / "2", {"a": ZEROS, "b": ZEROS}).read_bytes()


def test_digests_cover_regular_files_at_any_depth_and_nothing_else(tmp_path: Path) -> None:
    folder = write_files(tmp_path / "x", {"top": b"1", "lib/deep/er": b"2", ".hidden/.file": b"3"})
    (folder / "empty").mkdir()
    (folder / "link").symlink_to("top")
    (folder / "folder").symlink_to("lib")
    names = (".hidden/.file", "lib/deep/er", "top")
    assert digests_below(folder, {}) == {name: sha256sum(folder / name) for name in names}


def test_known_digests_are_not_calculated_again(tmp_path: Path) -> None:
    write_files(tmp_path, {"image": b"1", "other": b"2"})
    found = digests_below(tmp_path, {"image": ZEROS, "absent": ZEROS})
    assert found == {"image": ZEROS, "other": sha256sum(tmp_path / "other")}


@pytest.mark.parametrize(
    "line",
    [
        "",
        ZEROS,
        f"{ZEROS}  ",
        f"{ZEROS} one-blank",
        f"{ZEROS} *binary",
        f"{ZEROS[1:]}  short",
        f"{ZEROS}0  long",
        f"{'A' * 64}  capital-letters",
        f"\\{ZEROS}  es\\ncaped",
        f"{ZEROS}  back\\slash",
        f" {ZEROS}  indented",
        f"{ZEROS}  carriage-return\r",
        f"{ZEROS}  nul\0",
        f"{ZEROS}  escape\x1b[2J",
        f"{ZEROS}  /etc/passwd",
        f"{ZEROS}  ../above",
        f"{ZEROS}  below/it",
        "# comment",
        f"SHA256 (x) = {ZEROS}",
    ],
)
def test_a_line_of_another_form_is_refused_with_its_number(tmp_path: Path, line: str) -> None:
    _sums(tmp_path, f"{ZEROS}  good\n{line}\n".encode())
    with pytest.raises(SsiumlError, match=rf"{NAME}:2: is not a line of sha256sum"):
        read_checksums(tmp_path)


def test_an_empty_file_is_refused_as_by_sha256sum(tmp_path: Path) -> None:
    _sums(tmp_path, b"")
    with pytest.raises(SsiumlError, match="not a line"):
        read_checksums(tmp_path)
    judged = subprocess.run(["sha256sum", "--check", tmp_path / NAME], capture_output=True, check=False)
    assert judged.returncode != 0


def test_a_repeated_name_is_refused(tmp_path: Path) -> None:
    _sums(tmp_path, f"{ZEROS}  same\n{'1' * 64}  same\n".encode())
    with pytest.raises(SsiumlError, match="twice"):
        read_checksums(tmp_path)


def test_bytes_that_are_not_utf_8_are_refused(tmp_path: Path) -> None:
    _sums(tmp_path, ZEROS.encode() + b"  \xff\n")
    with pytest.raises(SsiumlError, match="is not UTF-8"):
        read_checksums(tmp_path)


def test_a_missing_file_is_an_error_that_says_what_to_run(tmp_path: Path) -> None:
    with pytest.raises(SsiumlError, match="no such file") as caught:
        read_checksums(tmp_path)
    assert caught.value.hint == "run ./run release"


def test_the_last_line_may_lack_its_newline(tmp_path: Path) -> None:
    assert read_checksums(_sums(tmp_path, f"{ZEROS}  name".encode())) == {"name": ZEROS}

"""Files that appear only when they are whole, also when the writer is killed."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from ssiuml.host.atomic import part_of, replacing, write_text

KILLED_WRITER = """
import os, pathlib, signal, sys
from ssiuml.host.atomic import replacing
with replacing(pathlib.Path(sys.argv[1])) as part:
    part.write_text("half")
    os.kill(os.getpid(), signal.SIGKILL)
"""


def _names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_target_appears_under_its_name_only_at_the_end(tmp_path: Path) -> None:
    target = tmp_path / "target"
    with replacing(target) as part:
        part.write_bytes(b"new")
        assert part == part_of(target) == tmp_path / ".target.part"
        assert not target.exists()
    assert _names(tmp_path) == ["target"]
    assert target.read_bytes() == b"new"


def test_old_target_stays_until_the_new_one_is_whole(tmp_path: Path) -> None:
    target = tmp_path / "target"
    target.write_bytes(b"old")
    with replacing(target) as part:
        part.write_bytes(b"new")
        assert target.read_bytes() == b"old"
    assert target.read_bytes() == b"new"


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, SystemExit])
def test_after_an_error_the_target_is_as_it_was_and_nothing_else_is_left(
    tmp_path: Path, error: type[BaseException]
) -> None:
    target = tmp_path / "target"
    target.write_bytes(b"old")

    def write_half() -> None:
        with replacing(target) as part:
            part.write_bytes(b"half")
            raise error

    with pytest.raises(error):
        write_half()
    assert _names(tmp_path) == ["target"]
    assert target.read_bytes() == b"old"


def test_killed_writer_leaves_the_old_target_and_the_next_writer_clears_up(tmp_path: Path) -> None:
    target = tmp_path / "target"
    target.write_bytes(b"old")
    done = subprocess.run([sys.executable, "-c", KILLED_WRITER, target])
    assert done.returncode == -signal.SIGKILL
    assert (target.read_bytes(), part_of(target).read_bytes()) == (b"old", b"half")
    with replacing(target) as part:
        assert not part.exists()
        part.write_bytes(b"new")
    assert _names(tmp_path) == ["target"]
    assert target.read_bytes() == b"new"


def test_folders_above_the_target_are_made(tmp_path: Path) -> None:
    write_text(tmp_path / "a" / "b" / "c", "text")
    assert (tmp_path / "a" / "b" / "c").read_text() == "text"


def test_mode_of_the_part_becomes_that_of_the_target(tmp_path: Path) -> None:
    with replacing(tmp_path / "program") as part:
        part.write_bytes(b"#!/bin/sh\n")
        part.chmod(0o755)
    assert (tmp_path / "program").stat().st_mode & 0o7777 == 0o755


def test_writer_that_wrote_nothing_is_an_error_and_keeps_the_target(tmp_path: Path) -> None:
    (tmp_path / "target").write_bytes(b"old")
    with pytest.raises(FileNotFoundError), replacing(tmp_path / "target"):
        pass
    assert (tmp_path / "target").read_bytes() == b"old"


def test_folder_is_not_replaced_by_a_file(tmp_path: Path) -> None:
    (tmp_path / "target").mkdir()
    with pytest.raises(IsADirectoryError):
        write_text(tmp_path / "target", "text")
    assert _names(tmp_path) == ["target"]


def test_link_is_replaced_and_not_written_through(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").write_text("old")
    (tmp_path / "target").symlink_to("elsewhere")
    write_text(tmp_path / "target", "new")
    assert not (tmp_path / "target").is_symlink()
    assert (tmp_path / "elsewhere").read_text() == "old"


def test_text_is_written_as_utf8_whatever_the_locale(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LC_ALL", "C")
    write_text(tmp_path / "text", "ä\n")
    assert (tmp_path / "text").read_bytes() == b"\xc3\xa4\n"

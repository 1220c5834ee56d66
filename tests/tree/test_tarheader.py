"""Headers of tar archives, read as tarfile reads them, from any writer."""

import io
import subprocess
import tarfile
from pathlib import Path
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ssiuml.tree.tarheader import Header

FIELDS = ["name", "mode", "uid", "gid", "size", "mtime", "chksum", "type", "linkname", "uname", "gname"]
FIELDS += ["devmajor", "devminor"]
FORMS: list[Literal[0, 1, 2]] = [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT]


def outcome(kind: type[tarfile.TarInfo], block: bytes) -> object:
    """Return the fields of a header, or the error."""
    try:
        info = kind.frombuf(block, "utf-8", "surrogateescape")
    except tarfile.TarError as error:
        return type(error), str(error)
    return [getattr(info, field) for field in FIELDS]


def header(info: tarfile.TarInfo, form: Literal[0, 1, 2]) -> bytes:
    return info.tobuf(form, "utf-8", "surrogateescape")[-512:]


TEXTS = st.text(st.characters(min_codepoint=1, max_codepoint=0x7FF), max_size=60)
KINDS = st.sampled_from(b"0123456789xgLKSDV\0").map(lambda number: bytes([number]))


@given(
    name=TEXTS,
    prefix=st.sampled_from(["", "a/" * 60]),
    linkname=TEXTS,
    kind=KINDS,
    numbers=st.tuples(st.integers(0, 0o7777), *[st.integers(0, 0o7777777)] * 2, st.integers(0, 8**11 - 1)),
    form=st.sampled_from(FORMS),
)
def test_header_has_the_fields_that_tarfile_reads(
    name: str, prefix: str, linkname: str, kind: bytes, numbers: tuple[int, ...], form: Literal[0, 1, 2]
) -> None:
    info = tarfile.TarInfo(prefix + name)
    info.linkname, info.type, info.uname = linkname, kind, "someone"
    info.mode, info.uid, info.gid, info.size = numbers
    info.devmajor, info.devminor = info.uid % 4096, info.gid
    try:
        block = header(info, form)
    except ValueError:  # this form has no room for the name
        return
    assert outcome(Header, block) == outcome(tarfile.TarInfo, block)


@given(data=st.data())
def test_damaged_header_has_the_result_or_error_of_tarfile(data: st.DataObject) -> None:
    info = tarfile.TarInfo("folder/file")
    info.size = 1234
    block = bytearray(header(info, tarfile.USTAR_FORMAT))
    for _ in range(data.draw(st.integers(1, 3))):
        block[data.draw(st.integers(0, 511))] = data.draw(st.integers(0, 255))
    if data.draw(st.booleans()):  # with a checksum that fits, so that more than the checksum is tried
        total = sum(block[:148]) + 256 + sum(block[156:])
        block[148:156] = b"%06o\0 " % total
    assert outcome(Header, bytes(block)) == outcome(tarfile.TarInfo, bytes(block))


@pytest.mark.parametrize("form", ["ustar", "posix", "gnu", "oldgnu", "v7"])
def test_archive_of_gnu_tar_has_the_members_that_tarfile_reads(tmp_path: Path, form: str) -> None:
    for name in ("file", "n" * 90, "latin-\udce9"):
        (tmp_path / name).write_bytes(b"x" * 1000)
    (tmp_path / "folder").mkdir()
    (tmp_path / "link").symlink_to("file")
    archive = subprocess.run(
        ["tar", f"--format={form}", "-c", "-C", tmp_path, "."], check=True, capture_output=True
    ).stdout
    both = []
    for kind in (tarfile.TarInfo, Header):
        with tarfile.TarFile(fileobj=io.BytesIO(archive), tarinfo=kind, errors="surrogateescape") as opened:
            both.append([[getattr(info, field) for field in FIELDS] for info in opened])
    assert both[0] == both[1]
    assert len(both[0]) == 6

"""Drafts: what they become, and what stays when something goes wrong."""

import errno
import os
from pathlib import Path

import pytest

from ssiuml.errors import UsageError
from ssiuml.formats.pool.assembly import Member, Part, Pool
from ssiuml.formats.pool.label import PoolLabel, TypeNumber
from ssiuml.host import files
from ssiuml.host.devices import DeviceError
from ssiuml.images.volume import drafting

MIB = 1 << 20


def pool(folder: Path, stripe_sectors: int, devices: int) -> Pool:
    """A labelled pool of files of 1 MiB; each has its name behind its last usable sector."""
    usable = (MIB - 8192 - 8192) // 512
    members = []
    for index in range(devices):
        path = folder / f"d{index}"
        label = PoolLabel(
            pl_pool_id=7,
            pl_pool_name=b"p",
            pl_subpools=1,
            pl_sp_id=0,
            pl_sp_devs=devices,
            pl_sp_devid=index,
            pl_sp_type=TypeNumber.GFS_DATA,
            pl_blocks=usable,
            pl_striping=stripe_sectors,
        )
        path.write_bytes(label.pack().ljust(MIB, b"\xa5"))
        members.append(Member(str(path), usable))
    return Pool("p", 7, (Part(stripe_sectors, TypeNumber.GFS_DATA, tuple(members)),))


def test_a_file_is_replaced_by_its_draft(tmp_path: Path) -> None:
    target = tmp_path / "target"
    target.write_bytes(b"old" * 1000)
    with drafting(target) as draft:
        assert (draft.start_bytes, draft.size_bytes, draft.path.stat().st_size) == (0, 3000, 3000)
        assert files.allocated_bytes(draft.path) == 0
        with draft.path.open("r+b") as stream:
            stream.write(b"new")
        assert target.read_bytes() == b"old" * 1000
    assert target.read_bytes() == b"new" + bytes(2997)


def test_an_exception_leaves_files_and_pools_as_they_were(tmp_path: Path) -> None:
    target = tmp_path / "target"
    target.write_bytes(b"old" * 1000)
    devices = pool(tmp_path, 16, 3)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}

    def fail(where: Path | Pool) -> None:
        with drafting(where) as draft:
            draft.path.write_bytes(b"half")
            raise RuntimeError

    for where in (target, devices, Pool("p", 7, (pool(tmp_path, 0, 1).parts))):
        before["d0"] = (tmp_path / "d0").read_bytes()
        with pytest.raises(RuntimeError):
            fail(where)
        assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


@pytest.mark.parametrize(("stripe_sectors", "devices"), [(0, 1), (0, 2), (16, 3)])
def test_a_pool_keeps_its_labels_and_has_the_draft_where_its_map_says(
    tmp_path: Path, stripe_sectors: int, devices: int
) -> None:
    target = pool(tmp_path, stripe_sectors, devices)
    labels = [path.read_bytes()[:8192] for path in target.paths]
    # Something before, in and behind the superblock's place, and at the very end.
    marks = (512, 65_536, 65_536 + 65_536, 400_000, target.size_bytes - 600)
    with drafting(target) as draft, draft.path.open("r+b") as stream:
        assert draft.size_bytes == target.size_bytes
        for mark in marks:
            stream.seek(draft.start_bytes + mark)
            stream.write(b"%010d" % mark)
    data = [path.read_bytes() for path in target.paths]
    assert [each[:8192] for each in data] == labels
    whole = b"".join(
        data[piece.device][piece.sector * 512 : (piece.sector + piece.count) * 512]
        for piece in target.map.pieces(0, target.map.sectors)
    )
    for mark in marks:
        assert whole[mark : mark + 10] == b"%010d" % mark
    assert whole.count(b"\0") == len(whole) - sum(len(b"%010d" % mark) for mark in marks)


def test_what_a_file_is_filled_with_is_hidden_until_it_has_the_files_mode(tmp_path: Path) -> None:
    target = tmp_path / "target"
    target.write_bytes(b"old")
    target.chmod(0o664)
    with drafting(target) as draft:
        assert draft.path.stat().st_mode & 0o7777 == 0o600
    assert target.stat().st_mode & 0o7777 == 0o664


def test_whatever_the_host_refuses_is_an_error_with_the_targets_name(tmp_path: Path) -> None:
    target = tmp_path / ("n" * 255)  # too long a name for the file beside it
    target.write_bytes(b"old")
    with pytest.raises(DeviceError, match="nnn: cannot be written: File name too long"), drafting(target):
        pass
    with (
        pytest.raises(DeviceError, match=r"d0, .*d1, drafted in .*: cannot be written: No space left"),
        drafting(pool(tmp_path, 0, 2)) as draft,
        draft.path.open("r+b"),
    ):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_a_target_is_ours_alone_while_it_is_drafted(tmp_path: Path) -> None:
    target = tmp_path / "target"
    target.write_bytes(bytes(MIB))
    with drafting(target):
        child = os.fork()
        if child == 0:
            try:
                with drafting(target):
                    os._exit(1)
            except DeviceError as error:
                os._exit(0 if "is in use" in str(error) else 2)
        _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == 0


def test_a_pool_that_was_labelled_anew_is_refused(tmp_path: Path) -> None:
    target = pool(tmp_path, 0, 2)
    (tmp_path / "d1").write_bytes(bytes(MIB))
    with pytest.raises(UsageError, match="d1: is no longer a device of the pool p"), drafting(target):
        pass

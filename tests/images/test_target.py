"""Targets of mkfs_gfs: their new contents, and what stays unchanged on an error."""

import errno
import os
from pathlib import Path

import pytest

from ssiuml.errors import UsageError
from ssiuml.formats.pool.assembly import Member, Part, Pool
from ssiuml.formats.pool.label import PoolLabel, TypeNumber
from ssiuml.host import files
from ssiuml.host.devices import DeviceError
from ssiuml.images.target import Target, replacing_contents

MIB = 1 << 20


def pool(folder: Path, stripe_sectors: int, devices: int) -> Pool:
    """Make a labelled pool of files of 1 MiB each. All bytes behind a label are 0xa5."""
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


def test_a_file_is_replaced_by_its_staging_file(tmp_path: Path) -> None:
    target = tmp_path / "target"
    target.write_bytes(b"old" * 1000)
    with replacing_contents(target) as staging:
        assert (staging.start_bytes, staging.size_bytes, staging.path.stat().st_size) == (0, 3000, 3000)
        assert files.allocated_bytes(staging.path) == 0
        with staging.path.open("r+b") as stream:
            stream.write(b"new")
        assert target.read_bytes() == b"old" * 1000
    assert target.read_bytes() == b"new" + bytes(2997)


def test_an_exception_leaves_files_and_pools_unchanged(tmp_path: Path) -> None:
    target = tmp_path / "target"
    target.write_bytes(b"old" * 1000)
    devices = pool(tmp_path, 16, 3)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}

    def fail(where: Target) -> None:
        with replacing_contents(where) as staging:
            staging.path.write_bytes(b"half")
            raise RuntimeError

    for where in (target, devices, Pool("p", 7, (pool(tmp_path, 0, 1).parts))):
        before["d0"] = (tmp_path / "d0").read_bytes()
        with pytest.raises(RuntimeError):
            fail(where)
        assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


@pytest.mark.parametrize(("stripe_sectors", "devices"), [(0, 1), (0, 2), (16, 3)])
def test_a_pool_keeps_its_labels_and_gets_the_contents_where_its_map_says(
    tmp_path: Path, stripe_sectors: int, devices: int
) -> None:
    target = pool(tmp_path, stripe_sectors, devices)
    labels = [path.read_bytes()[:8192] for path in target.paths]
    # Marks before, in and behind the superblock, and near the end.
    marks = (512, 65_536, 65_536 + 65_536, 400_000, target.size_bytes - 600)
    with replacing_contents(target) as staging, staging.path.open("r+b") as stream:
        assert staging.size_bytes == target.size_bytes
        for mark in marks:
            stream.seek(staging.start_bytes + mark)
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


def test_new_contents_are_private_until_they_get_the_mode_of_the_target(tmp_path: Path) -> None:
    target = tmp_path / "target"
    target.write_bytes(b"old")
    target.chmod(0o664)
    with replacing_contents(target) as staging:
        assert staging.path.stat().st_mode & 0o7777 == 0o600
    assert target.stat().st_mode & 0o7777 == 0o664


def test_an_error_of_the_host_names_the_target(tmp_path: Path) -> None:
    target = tmp_path / ("n" * 255)  # too long a name for the file beside it
    target.write_bytes(b"old")
    with (
        pytest.raises(DeviceError, match="nnn: cannot be written: File name too long"),
        replacing_contents(target),
    ):
        pass
    with (
        pytest.raises(DeviceError, match=r"d0, .*d1, staged in .*: cannot be written: No space left"),
        replacing_contents(pool(tmp_path, 0, 2)) as staging,
        staging.path.open("r+b"),
    ):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_a_target_is_locked_while_its_new_contents_are_written(tmp_path: Path) -> None:
    target = tmp_path / "target"
    target.write_bytes(bytes(MIB))
    with replacing_contents(target):
        child = os.fork()
        if child == 0:
            try:
                with replacing_contents(target):
                    os._exit(1)
            except DeviceError as error:
                os._exit(0 if "is in use" in str(error) else 2)
        _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == 0


def test_a_pool_whose_labels_have_changed_is_refused(tmp_path: Path) -> None:
    target = pool(tmp_path, 0, 2)
    (tmp_path / "d1").write_bytes(bytes(MIB))
    with (
        pytest.raises(UsageError, match="d1: is no longer a device of the pool p"),
        replacing_contents(target),
    ):
        pass

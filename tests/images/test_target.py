"""Targets of mkfs_gfs: their new contents, and what stays unchanged on an error."""

import errno
import os
import subprocess
import tempfile
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ssiuml.errors import UsageError
from ssiuml.formats.pool.assembly import Member, Part, Pool
from ssiuml.formats.pool.label import PoolLabel, TypeNumber
from ssiuml.host import files
from ssiuml.host.devices import DeviceError
from ssiuml.host.run import find_tool
from ssiuml.images import target as target_module
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


@pytest.mark.parametrize(
    ("number", "hint"),
    [
        (errno.ENOSPC, "make room, or choose another place; the target is unchanged"),
        (errno.EDQUOT, "make room, or choose another place; the target is unchanged"),
        (errno.EACCES, "choose a place that you may write to; the target is unchanged"),
        (errno.EPERM, "choose a place that you may write to; the target is unchanged"),
        (errno.EROFS, "choose a place that you may write to; the target is unchanged"),
        (
            errno.EFBIG,
            "raise the limit (ulimit -f), or use a file system for larger files; the target is unchanged",
        ),
        (errno.EIO, "run dmesg to see whether the disk fails; the target is unchanged"),
    ],
)
def test_an_error_of_the_host_names_the_target_and_a_way_out_of_this_error(
    tmp_path: Path, number: int, hint: str
) -> None:
    target = tmp_path / "target"
    target.write_bytes(b"old")
    with pytest.raises(DeviceError) as error, replacing_contents(target):
        raise OSError(number, os.strerror(number))
    assert str(error.value) == f"{target}: cannot be written: {os.strerror(number)}\n  {hint}"
    with (
        pytest.raises(DeviceError, match=r"d0, .*d1, staged in .*: cannot be written: "),
        replacing_contents(pool(tmp_path, 0, 2)),
    ):
        raise OSError(number, os.strerror(number))


# A user who may write to a file, but may not put another with the same owner and group into its place.

USER, GROUP, MEMBER, OTHER = 54_321, 54_322, 54_323, 54_324
CONTENTS = b"new contents"


@pytest.fixture
def shared() -> Iterator[Path]:
    """A folder of USER's that this user can enter, other than pytest's."""
    if os.geteuid() != 0:
        pytest.skip("only root can act as another user")
    with tempfile.TemporaryDirectory() as made:
        Path(made).chmod(0o755)
        (Path(made) / "folder").mkdir()
        os.chown(Path(made) / "folder", USER, GROUP)
        yield Path(made) / "folder"


def as_user(work: Callable[[], None]) -> None:
    """Do *work* in a process of USER's, with the groups GROUP and MEMBER."""
    child = os.fork()
    if child == 0:
        try:
            os.setgroups([MEMBER])
            os.setgid(GROUP)
            os.setuid(USER)
            work()
            os._exit(0)
        except BaseException:
            traceback.print_exc()
            os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def make_target(path: Path, owner: int, group: int, mode: int) -> Path:
    path.write_bytes(b"old" * MIB)
    os.chown(path, owner, group)
    path.chmod(mode)
    return path


def write(target: Target, notices: Path) -> None:
    """Write CONTENTS at byte 512 and behind the superblock; put notices into the file *notices*."""
    lines: list[str] = []
    with replacing_contents(target, lines.append) as staging, staging.path.open("r+b") as stream:
        for offset in (512, 200_000):
            stream.seek(staging.start_bytes + offset)
            stream.write(CONTENTS)
    notices.write_text("\n".join(lines))


def ownership(path: Path) -> tuple[int, int, int, int]:
    state = path.stat()
    return state.st_ino, state.st_uid, state.st_gid, state.st_mode


@pytest.mark.parametrize(
    ("owner", "group", "mode", "reason"),
    [
        (0, 0, 0o666, "no new file can take its place (Operation not permitted)"),
        (0, MEMBER, 0o660, "no new file can take its place (Operation not permitted)"),
        (USER, OTHER, 0o660, "no new file can take its place (Operation not permitted)"),
        (USER, OTHER, 0o2660, "no new file can take its place (Operation not permitted)"),
    ],
)
def test_file_whose_owner_or_group_cannot_be_given_away_is_written_in_place_as_by_mkfs_gfs2(
    shared: Path, owner: int, group: int, mode: int, reason: str
) -> None:
    target = make_target(shared / "target", owner, group, mode)
    other = make_target(shared / "other", owner, group, mode)
    os.truncate(other, 64 * MIB)
    before, notices = ownership(target), shared / "notices"
    as_user(lambda: write(target, notices))
    words = ["-q", "-O", "-p", "lock_nolock", "-j", "1", "-J", "8", str(other)]
    program = find_tool("mkfs.gfs2")
    assert program is not None
    number = other.stat().st_ino

    def run_program() -> None:
        subprocess.run([program, *words], check=True)

    as_user(run_program)
    assert ownership(other) == (number, *ownership(target)[1:])  # the kernel may clear a set-id bit
    assert ownership(target)[:3] == before[:3]
    data = target.read_bytes()
    assert (len(data), data.count(b"\0")) == (3 * MIB, 3 * MIB - 2 * len(CONTENTS))
    assert (data[512:524], data[200_000:200_012]) == (CONTENTS, CONTENTS)
    assert notices.read_text() == (
        f"{target}: is written in place, because {reason}; if that is interrupted, the old contents are lost "
        "and the file holds no file system"
    )
    assert sorted(path.name for path in shared.iterdir()) == ["notices", "other", "target"]


def test_file_in_a_folder_that_nobody_may_write_to_is_written_in_place(shared: Path, tmp_path: Path) -> None:
    target, notices = (
        make_target(shared / "target", USER, GROUP, 0o600),
        make_target(shared / "n", USER, GROUP, 0o600),
    )
    before = ownership(target)
    os.chown(shared, 0, 0)
    as_user(lambda: write(target, notices))
    assert ownership(target) == before
    assert target.read_bytes().count(CONTENTS) == 2
    assert "because no new file can take its place (Permission denied); if" in notices.read_text()


def test_file_with_too_long_a_name_for_another_beside_it_is_written_in_place(tmp_path: Path) -> None:
    target = tmp_path / ("n" * 255)
    target.write_bytes(bytes(MIB))
    before = ownership(target)
    write(target, tmp_path / "notices")
    assert ownership(target) == before
    assert target.read_bytes().count(CONTENTS) == 2
    assert (
        "because no new file can take its place (File name too long); if"
        in (tmp_path / "notices").read_text()
    )


def test_file_that_is_a_mount_point_is_written_in_place(tmp_path: Path) -> None:
    target, place = tmp_path / "target", tmp_path / "mounted here"
    for path in (target, place):
        path.write_bytes(bytes(MIB))
    mount = subprocess.run(["mount", "--bind", target, place], capture_output=True, text=True, check=False)
    if mount.returncode:
        pytest.skip(f"nothing can be mounted here: {mount.stderr.strip()}")
    try:
        write(place, tmp_path / "notices")
    finally:
        subprocess.run(["umount", place], check=True)
    assert target.read_bytes().count(CONTENTS) == 2
    assert "because it is a mount point; if" in (tmp_path / "notices").read_text()


def test_group_of_the_users_own_and_attributes_are_kept_on_a_new_file(shared: Path) -> None:
    target = make_target(shared / "target", USER, MEMBER, 0o640)
    before = ownership(target)
    try:
        os.setxattr(target, "user.note", b"mine")
    except OSError as error:
        if error.errno != errno.ENOTSUP:
            raise
        pytest.skip(f"{target}: the file system has no user.* attributes")
    as_user(lambda: write(target, shared / "notices"))
    after = ownership(target)
    assert (after[0] != before[0], after[1:]) == (True, before[1:])
    assert os.getxattr(target, "user.note") == b"mine"
    assert (shared / "notices").read_text() == ""


@pytest.mark.parametrize("devices", [1, 2])
def test_pool_keeps_its_labels_when_a_file_of_it_is_written_in_place(shared: Path, devices: int) -> None:
    target = pool(shared, 0, devices)
    for path in target.paths:
        os.chown(path, USER, OTHER)
        path.chmod(0o660)
    labels = [path.read_bytes()[:8192] for path in target.paths]
    numbers = [path.stat().st_ino for path in target.paths]
    as_user(lambda: write(target, shared / "notices"))
    data = [path.read_bytes() for path in target.paths]
    assert [each[:8192] for each in data] == labels
    assert [path.stat().st_ino for path in target.paths] == numbers
    assert data[0][8192 + 512 :].startswith(CONTENTS)
    assert not any(b"\xa5" in each[8192:] for each in data)


def test_error_while_a_file_is_written_in_place_says_what_is_lost(
    shared: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    target = make_target(shared / "target", USER, OTHER, 0o660)
    monkeypatch.setattr(target_module, "_copy", fail)

    def work() -> None:
        with pytest.raises(DeviceError) as error:
            write(target, shared / "notices")
        assert str(error.value) == (
            f"{target}: cannot be written: Input/output error\n"
            "  make the file system again: the old contents are lost"
        )

    as_user(work)


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

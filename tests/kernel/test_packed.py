"""Packed kernels, from packages that dpkg-deb makes for the tests."""

import subprocess
from pathlib import Path

import pytest

from ssiuml.errors import SsiumlError
from ssiuml.host.cache import Cache, Entry
from ssiuml.host.run import CommandError
from ssiuml.kernel import packed
from ssiuml.tree.layer import LayerError, merge

VERSION = "6.1.0"
PROGRAM = "usr/bin/linux.uml"
MODULES = f"usr/lib/uml/modules/{VERSION}"
DEP = """\
kernel/fs/configfs/configfs.ko:
kernel/fs/dlm/dlm.ko: kernel/fs/configfs/configfs.ko
kernel/fs/gfs2/gfs2.ko: kernel/fs/dlm/dlm.ko kernel/fs/configfs/configfs.ko
kernel/net/dummy-x.ko.xz:
"""
GOOD = {
    PROGRAM: "the kernel",
    f"{MODULES}/modules.dep": DEP,
    f"{MODULES}/modules.builtin": "kernel/fs/ext4/ext4.ko\nkernel/drivers/uml-net.ko\n",
    f"{MODULES}/kernel/fs/configfs/configfs.ko": "configfs",
    f"{MODULES}/kernel/fs/dlm/dlm.ko": "dlm",
    f"{MODULES}/kernel/fs/gfs2/gfs2.ko": "gfs2",
    f"{MODULES}/kernel/net/dummy-x.ko.xz": "dummy",
}


def _kernel_package(folder: Path, files: dict[str, str]) -> Path:
    root = folder / "root"
    control = root / "DEBIAN" / "control"
    control.parent.mkdir(parents=True)
    control.parent.chmod(0o755)
    control.write_text(
        "Package: user-mode-linux\nVersion: 1\nArchitecture: all\nMaintainer: a <a@b>\nDescription: test\n"
    )
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    package = folder / "user-mode-linux.deb"
    command = ["dpkg-deb", "--root-owner-group", "-Znone", "--build", str(root), str(package)]
    subprocess.run(command, check=True, capture_output=True)
    return package


def _cached(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file() and not path.name.endswith(".lock")]


@pytest.fixture
def cache(tmp_path: Path) -> Cache:
    return Cache(tmp_path / "cache")


@pytest.fixture
def entry(tmp_path: Path, cache: Cache) -> Entry:
    return packed.unpack_package(cache, _kernel_package(tmp_path, GOOD))


def test_a_package_is_unpacked_once_and_its_version_is_found(
    entry: Entry, cache: Cache, tmp_path: Path
) -> None:
    assert entry.facts == {"version": VERSION}
    listed = subprocess.run(["tar", "-tf", str(entry.path)], capture_output=True, text=True, check=True)
    assert {f"./{name}" for name in GOOD} <= set(listed.stdout.splitlines())
    stamp = entry.path.stat().st_mtime_ns
    assert packed.unpack_package(cache, tmp_path / "user-mode-linux.deb") == entry
    assert entry.path.stat().st_mtime_ns == stamp


def test_the_program_is_written_with_the_right_to_execute(entry: Entry, tmp_path: Path) -> None:
    target = tmp_path / "images" / "linux-ssi"
    packed.write_program(entry, target)
    assert target.read_bytes() == b"the kernel"
    assert target.stat().st_mode & 0o7777 == 0o755


def test_a_package_whose_program_is_a_folder_is_an_error(tmp_path: Path, cache: Cache) -> None:
    files = {**GOOD, f"{PROGRAM}/inside": ""}
    del files[PROGRAM]
    entry = packed.unpack_package(cache, _kernel_package(tmp_path, files))
    with pytest.raises(SsiumlError, match=r"/usr/bin/linux\.uml is not a regular file$"):
        packed.write_program(entry, tmp_path / "linux-ssi")
    assert not (tmp_path / "linux-ssi").exists()


@pytest.mark.parametrize(
    ("files", "problem"),
    [
        (
            {"usr/bin/hello": ""},
            "is no user-mode-linux package: usr/lib/uml/modules: no such file in the tree (no 'lib')",
        ),
        (
            {f"{MODULES}/modules.dep": ""},
            "is no user-mode-linux package: usr/bin/linux.uml: no such file in the tree (no 'bin')",
        ),
        (
            {PROGRAM: "", "usr/lib/uml/modules": ""},
            "is no user-mode-linux package: usr/lib/uml/modules: is not a directory",
        ),
        (
            {PROGRAM: "", "usr/lib/uml/modules/current/x": ""},
            "/usr/lib/uml/modules should hold one kernel version, it holds []",
        ),
        (
            {PROGRAM: "", f"{MODULES}/x": "", "usr/lib/uml/modules/6.1.1/x": ""},
            "/usr/lib/uml/modules should hold one kernel version, it holds ['6.1.0', '6.1.1']",
        ),
    ],
)
def test_another_package_is_refused_and_not_kept(
    tmp_path: Path, cache: Cache, files: dict[str, str], problem: str
) -> None:
    made = _kernel_package(tmp_path, files)
    with pytest.raises(SsiumlError) as error:
        packed.unpack_package(cache, made)
    assert str(error.value) == f"{made}: {problem}"
    assert _cached(cache.root) == []


def test_a_damaged_package_is_refused_and_not_kept(tmp_path: Path, cache: Cache) -> None:
    made = _kernel_package(tmp_path, GOOD)
    whole = made.read_bytes()
    for data in (b"", b"no package", whole[:200], whole[:2000]):
        made.write_bytes(data)
        with pytest.raises((CommandError, LayerError)) as error:
            packed.unpack_package(cache, made)
        assert str(made) in str(error.value)
        assert _cached(cache.root) == []


def test_the_layer_of_all_modules_has_all_files_of_lib_modules(entry: Entry) -> None:
    tree = merge([packed.modules_layer(entry, None)])
    files = {path: node.read().decode() for path, node in tree.walk() if node.content is not None}
    expected = {name.replace("usr/lib/uml", "lib"): text for name, text in GOOD.items() if name != PROGRAM}
    assert files == expected
    assert tree.lookup(f"lib/modules/{VERSION}").meta.mode == 0o755


def test_the_layer_of_wanted_modules_has_these_and_their_dependencies_only(entry: Entry) -> None:
    tree = merge([packed.modules_layer(entry, ["dlm"])])
    names = {path.rpartition("/")[2] for path, node in tree.walk() if node.content is not None}
    assert names == {"modules.dep", "modules.builtin", "configfs.ko", "dlm.ko"}

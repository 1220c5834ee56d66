"""The kernel package, built for the tests by dpkg-deb, and the modules out of it."""

import subprocess
from pathlib import Path

import pytest

from ssiuml.host.cache import Cache, Entry
from ssiuml.host.run import CommandError
from ssiuml.kernel import KernelError, package, packed
from ssiuml.kernel.modules import module_closure, module_name, read_modules_dep
from ssiuml.tree.layer import LayerError, merge
from ssiuml.tree.tree import Literal, Meta, Tree, TreeError, file

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


def _tree(files: dict[str, str] = GOOD) -> Tree:
    tree = Tree()
    for name, text in files.items():
        tree.add(name, file(Literal(text.encode()), Meta(mode=0o644)))
    return tree


def _cached(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file() and not path.name.endswith(".lock")]


@pytest.fixture
def cache(tmp_path: Path) -> Cache:
    return Cache(tmp_path / "cache")


@pytest.fixture
def entry(tmp_path: Path, cache: Cache) -> Entry:
    return package.unpack(cache, _kernel_package(tmp_path, GOOD))


def test_package_is_unpacked_once_and_its_version_is_known(
    entry: Entry, cache: Cache, tmp_path: Path
) -> None:
    assert entry.facts == {"version": VERSION}
    listed = subprocess.run(["tar", "-tf", str(entry.path)], capture_output=True, text=True, check=True)
    assert {f"./{name}" for name in GOOD} <= set(listed.stdout.splitlines())
    stamp = entry.path.stat().st_mtime_ns
    assert package.unpack(cache, tmp_path / "user-mode-linux.deb") == entry
    assert entry.path.stat().st_mtime_ns == stamp


def test_program_is_written_executable(entry: Entry, tmp_path: Path) -> None:
    target = tmp_path / "images" / "linux-ssi"
    packed.write_program(entry, target)
    assert target.read_bytes() == b"the kernel"
    assert target.stat().st_mode & 0o7777 == 0o755


def test_program_that_is_a_folder_is_an_error(tmp_path: Path, cache: Cache) -> None:
    files = {**GOOD, f"{PROGRAM}/inside": ""}
    del files[PROGRAM]
    entry = package.unpack(cache, _kernel_package(tmp_path, files))
    with pytest.raises(KernelError, match=r"/usr/bin/linux\.uml is not a regular file$"):
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
def test_package_of_something_else_is_refused_and_not_kept(
    tmp_path: Path, cache: Cache, files: dict[str, str], problem: str
) -> None:
    made = _kernel_package(tmp_path, files)
    with pytest.raises(KernelError) as error:
        package.unpack(cache, made)
    assert str(error.value) == f"{made}: {problem}"
    assert _cached(cache.root) == []


def test_damaged_package_is_refused_and_not_kept(tmp_path: Path, cache: Cache) -> None:
    made = _kernel_package(tmp_path, GOOD)
    whole = made.read_bytes()
    for data in (b"", b"no package", whole[:200], whole[:2000]):
        made.write_bytes(data)
        with pytest.raises((CommandError, LayerError)) as error:
            package.unpack(cache, made)
        assert str(made) in str(error.value)
        assert _cached(cache.root) == []


def test_all_modules_make_the_layer_lib_modules(entry: Entry) -> None:
    tree = merge([packed.modules_layer(entry, None)])
    files = {path: node.read().decode() for path, node in tree.walk() if node.content is not None}
    expected = {name.replace("usr/lib/uml", "lib"): text for name, text in GOOD.items() if name != PROGRAM}
    assert files == expected
    assert tree.lookup(f"lib/modules/{VERSION}").meta.mode == 0o755


def test_wanted_modules_bring_what_they_need_and_no_others_compressed_or_not(entry: Entry) -> None:
    tree = merge([packed.modules_layer(entry, ["dlm"])])
    names = {path.rpartition("/")[2] for path, node in tree.walk() if node.content is not None}
    assert names == {"modules.dep", "modules.builtin", "configfs.ko", "dlm.ko"}


@pytest.mark.parametrize(
    ("wanted", "names"),
    [
        ([], []),
        (["configfs"], ["configfs"]),
        (["gfs2"], ["configfs", "dlm", "gfs2"]),
        (["gfs2", "dlm", "configfs"], ["configfs", "dlm", "gfs2"]),
        (["dummy-x", "dlm"], ["dummy_x", "configfs", "dlm"]),
        (["dummy_x"], ["dummy_x"]),
        (["ext4", "uml_net", "uml-net"], []),
    ],
)
def test_closure_loads_in_its_order_and_leaves_out_what_is_built_in(
    wanted: list[str], names: list[str]
) -> None:
    assert [module_name(path) for path in module_closure(_tree(), MODULES, wanted)] == names


def test_each_module_comes_after_all_that_it_needs() -> None:
    needs = read_modules_dep(_tree(), MODULES)
    order = module_closure(_tree(), MODULES, ["gfs2", "dummy-x"])
    for path in order:
        assert all(order.index(needed) < order.index(path) for needed in needs[path])


@pytest.mark.parametrize("name", ["ocfs2", "", "gfs", "xt4"])
def test_module_that_is_not_there_is_an_error(name: str) -> None:
    with pytest.raises(KernelError) as error:
        module_closure(_tree(), MODULES, ["gfs2", name])
    assert str(error.value) == f"/{MODULES}: there is no kernel module '{name}'"


def test_module_that_only_modules_dep_knows_is_an_error() -> None:
    tree = _tree()
    tree.remove(f"{MODULES}/kernel/fs/configfs/configfs.ko")
    with pytest.raises(KernelError) as error:
        module_closure(tree, MODULES, ["gfs2"])
    assert str(error.value) == (
        f"/{MODULES}: modules.dep names 'kernel/fs/configfs/configfs.ko', which is not there"
    )


def test_missing_modules_dep_is_an_error() -> None:
    with pytest.raises(TreeError, match=r"modules\.dep: no such file in the tree"):
        module_closure(_tree({PROGRAM: ""}), MODULES, ["gfs2"])


def test_damaged_modules_dep_is_an_error_that_a_user_can_read() -> None:
    tree = _tree()
    tree.add(f"{MODULES}/modules.dep", file(Literal(b"\xff\xfe\n\0: \0\n"), Meta(mode=0o644)))
    with pytest.raises(KernelError, match="there is no kernel module 'gfs2'"):
        module_closure(tree, MODULES, ["gfs2"])


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("kernel/fs/gfs2/gfs2.ko", "gfs2"),
        ("kernel/a-b_c.ko", "a_b_c"),
        ("kernel/x.ko.xz", "x"),
        ("kernel/x.ko.zst", "x"),
    ],
)
def test_name_of_a_module_is_that_of_lsmod(path: str, name: str) -> None:
    assert module_name(path) == name

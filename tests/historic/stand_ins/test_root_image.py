"""The stand-ins for root images: e2fsck finds them clean, and debugfs finds exactly the tree."""

import hashlib
import os
import re
import stat
import subprocess
from pathlib import Path

import pytest
from programs import tool
from redhat.busybox import fetch_busybox
from redhat.root_image import RED_HAT_NAME, make_root_fs
from redhat.root_tree import CALDERA, RED_HAT, make_tree
from redhat.sources import make_sources

from ssiuml.host.run import find_tool
from ssiuml.tree.tree import Kind, Node, Tree

LIMIT_S = 60.0
PRUNED = (
    *("S25netfs", "S50snmpd", "S55named", "S55sshd", "S56xinetd", "S80sendmail", "S85gpm", "S85httpd"),
    *("S90crond", "S90squid", "S90xfs", "S91smb", "S95innd"),
)
_TYPES = {
    stat.S_IFREG: Kind.FILE,
    stat.S_IFDIR: Kind.DIRECTORY,
    stat.S_IFLNK: Kind.SYMLINK,
    stat.S_IFCHR: Kind.CHARACTER,
    stat.S_IFBLK: Kind.BLOCK,
    stat.S_IFIFO: Kind.FIFO,
    stat.S_IFSOCK: Kind.SOCKET,
}


@pytest.fixture(scope="module")
def image(redhat_sources: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    target = tmp_path_factory.mktemp("image") / "root_fs.ext2"
    with target.open("wb") as stream:
        subprocess.run(["bunzip2", "-c", redhat_sources / RED_HAT_NAME], stdout=stream, check=True)
    return target


@pytest.fixture(scope="module")
def tree() -> Tree:
    return make_tree(RED_HAT, shell=fetch_busybox())


def debugfs(image: Path, *commands: str) -> bytes:
    program = find_tool("debugfs")
    assert program is not None
    text = b"\n".join(map(os.fsencode, commands)) + b"\n"
    result = subprocess.run(
        [program, "-f", "/dev/stdin", image], input=text, capture_output=True, check=True, timeout=LIMIT_S
    )
    return result.stdout


def seen(image: Path, tree: Tree) -> dict[str, tuple[int, int, int, int, str]]:
    """Return inode, mode, uid, gid and size of every path, as debugfs lists the folders of *tree*."""
    folders = [path for path, node in tree.walk() if node.kind is Kind.DIRECTORY]
    output = debugfs(image, *(f'ls -p "/{folder}"' for folder in folders))
    found: dict[str, tuple[int, int, int, int, str]] = {}
    listings = re.split(rb"^debugfs: .*\n", output, flags=re.MULTILINE)[1:]
    for folder, listing in zip(folders, listings, strict=True):
        for line in listing.splitlines():
            if not line:
                continue
            _, inode, mode, uid, gid, name, size, _ = os.fsdecode(line).split("/")
            if name not in (".", ".."):
                path = f"{folder}/{name}" if folder else name
                # debugfs prints numbers of owners with a sign.
                found[path] = (int(inode), int(mode, 8), int(uid) % 2**32, int(gid) % 2**32, size)
    return found


def test_debugfs_finds_every_name_with_its_kind_mode_owner_and_links(image: Path, tree: Tree) -> None:
    found = seen(image, tree)
    assert found.pop("lost+found")[1] == 0o40700
    nodes = {path: node for path, node in tree.walk() if path}
    assert found.keys() == nodes.keys()
    inodes: dict[int, Node] = {}
    for path, node in nodes.items():
        inode, mode, uid, gid, size = found[path]
        assert inodes.setdefault(inode, node) is node, path
        assert _TYPES[stat.S_IFMT(mode)] is node.kind, path
        assert (uid, gid) == (node.meta.uid, node.meta.gid), path
        assert node.kind is Kind.SYMLINK or stat.S_IMODE(mode) == node.meta.mode, path
        assert node.kind is not Kind.FILE or int(size) == node.size_bytes, path
    assert len(inodes) == len({id(node) for node in nodes.values()})


def test_contents_and_link_targets_are_those_of_the_tree(image: Path, tree: Tree, tmp_path: Path) -> None:
    debugfs(image, f'rdump / "{tmp_path}"')
    nodes = [(path, node) for path, node in tree.walk() if node.kind in (Kind.FILE, Kind.SYMLINK)]
    for path, node in nodes:
        if node.kind is Kind.SYMLINK:
            assert os.readlink(tmp_path / path) == node.target, path  # noqa: PTH115 - Path would normalise it
        else:
            (tmp_path / path).chmod(0o600)
            assert (tmp_path / path).read_bytes() == node.read(), path
    assert len(nodes) > 1000


def test_times_are_those_of_the_tree_in_2001(image: Path, tree: Tree) -> None:
    paths = [path for path, node in tree.walk() if '"' not in path]
    output = debugfs(image, *(f'stat "/{path}"' for path in paths)).decode("latin-1")
    times = [int(number, 16) for number in re.findall(r"^ *mtime: 0x([0-9a-f]+)", output, re.MULTILINE)]
    assert times == [tree.lookup(path, follow=False).meta.mtime_ns // 10**9 for path in paths]
    assert "2001" in re.findall(r"mtime: .*", output)[0]


def test_the_disks_of_user_mode_linux_have_their_old_numbers(image: Path) -> None:
    output = debugfs(image, *(f"stat /dev/ubd/{number}" for number in range(16))).decode()
    assert re.findall(r"Type: (\S+).*?Device major/minor number: (\S+)", output, re.DOTALL) == [
        ("block", f"98:{number:02}") for number in range(16)
    ]


def test_services_start_through_the_links_of_red_hat_those_that_the_recipe_prunes_included(
    tree: Tree,
) -> None:
    level = tree.lookup("etc/rc3.d")
    assert tree.lookup("etc/rc3.d", follow=False).target == "rc.d/rc3.d"
    assert set(PRUNED) <= level.children.keys()
    for name in ("S10network", "S12syslog", "S17keytable", "S20random", "S99local"):
        assert tree.lookup(f"etc/rc3.d/{name}").meta.mode == 0o755


@pytest.mark.parametrize(
    ("distribution", "block_size"), [(RED_HAT, 4096), (RED_HAT, 1024), (CALDERA, 4096), (CALDERA, 1024)]
)
def test_e2fsprogs_find_every_form_clean_and_of_2001(
    tmp_path: Path, distribution: str, block_size: int
) -> None:
    image = make_root_fs(
        tmp_path / "root_fs", distribution, block_size=block_size, far_block=block_size == 1024
    )
    tool("e2fsck", "-f", "-n", image)
    facts = tool("dumpe2fs", "-h", image)
    for line in ("features: *filetype sparse_super$", "revision #: *1 ", f"Block size: *{block_size}$"):
        assert re.search(line, facts, re.MULTILINE), line
    assert re.search(r"^Inode size:\s*128$", facts, re.MULTILINE)
    assert re.search(r"^Filesystem created:.* 2001$", facts, re.MULTILINE)


def test_a_far_block_has_three_levels_of_indirect_blocks(tmp_path: Path) -> None:
    image = make_root_fs(tmp_path / "root_fs", block_size=1024, far_block=True)
    output = debugfs(image, "stat /var/spool/news/history.pag", "stat /var/lib/rpm/Packages").decode()
    far, large = output.split("Type: regular")[1:]
    assert "(TIND)" in far
    assert "(DIND)" in large


def test_caldera_has_its_run_levels_only_in_rc_d(tmp_path: Path) -> None:
    tree = make_tree(CALDERA, shell=fetch_busybox())
    assert tree.find("etc/rc3.d", follow=False) is None
    assert tree.lookup("etc/rc.d/rc3.d", follow=False).kind is Kind.DIRECTORY
    assert tree.find("etc/redhat-release") is None


def test_old_modules_and_bulk_are_added_and_sockets_left_out_on_request(tmp_path: Path) -> None:
    plain = make_tree(shell=fetch_busybox())
    other = make_tree(shell=fetch_busybox(), old_modules=True, sockets=False, bulk_mib=3)
    kinds = {node.kind for _, node in other.walk()}
    assert Kind.SOCKET not in kinds
    assert other.find("lib/modules/2.4.7-10/modules.dep") is not None
    assert plain.children("lib/modules") == {}
    more = [sum(node.size_bytes for _, node in tree.walk()) for tree in (other, plain)]
    assert 2 << 20 < more[0] - more[1] <= 3 << 20


def test_the_same_call_gives_the_same_bytes(redhat_sources: Path, tmp_path: Path) -> None:
    again = make_sources(tmp_path / "again")

    def digests(folder: Path) -> dict[str, str]:
        return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.iterdir()}

    assert digests(again) == digests(redhat_sources)

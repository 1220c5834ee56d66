"""Linux sees the tree in a file system that the writer made, and can work in it."""

import re
import subprocess
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

import pytest
from gfs_images import findings
from gfs_judges import assert_clean
from odd_trees import odd_tree, pattern
from programs import tool

from ssiuml.formats.gfs.contents import SparseBytes
from ssiuml.formats.gfs.inode_writer import Written
from ssiuml.formats.gfs2.geometry import Geometry
from ssiuml.formats.gfs2.system_files import Choices
from ssiuml.formats.gfs2.writer import Settings, write_image
from ssiuml.host import files
from ssiuml.host.uml import Machine
from ssiuml.images.appliance import Appliance
from ssiuml.tree.compare import take_census
from ssiuml.tree.cpio import write_segment
from ssiuml.tree.tree import Literal, Meta, Tree, directory, file, symlink, whole_file
from ssiuml.units import GIB, MIB

pytestmark = pytest.mark.boot

WORK, SPARSE = (Path(__file__).with_name(name) for name in ("work.sh", "sparse.sh"))
LIMIT_S = 600.0


def settings(block_size: int = 4096, choices: Choices | None = None) -> Settings:
    geometry = Geometry(256 * MIB, block_size, 1, 8 * MIB)
    return Settings(geometry=geometry, choices=choices or Choices())


@pytest.mark.parametrize("block_size", [512, 1024, 2048, 4096])
def test_linux_sees_the_tree_that_was_written(appliance: Appliance, tmp_path: Path, block_size: int) -> None:
    tree = odd_tree(block_size)
    # A file of every height, with data in the middle of a hole.
    for height in (1, 2, 3):
        reach = block_size * ((block_size - 232) // 8) * ((block_size - 24) // 8) ** (height - 1)
        if reach < 40 * MIB:
            content = SparseBytes(reach, [(0, b"begin"), (reach // 3, pattern(3000)), (reach - 4, b"end.")])
            tree.add(f"sparse/{height}", file(content, Meta(mode=0o600)))
    write_image(tmp_path / "image", tree, settings(block_size))
    filled = appliance.read_back(tmp_path / "image", take_census(tree))
    assert filled.names == sum(1 for _ in tree.walk())


def test_linux_sees_70000_names_in_a_directory(appliance: Appliance, tmp_path: Path) -> None:
    tree = Tree()
    node = symlink("x")
    folder = directory(Meta(mode=0o755))
    folder.children = {f"name-{number}": node for number in range(70_000)}
    tree.add("d", folder)
    write_image(tmp_path / "image", tree, settings())
    assert appliance.read_back(tmp_path / "image", take_census(tree)).names == 70_002


def test_linux_reads_a_file_of_8_gib_with_data_at_both_ends(appliance: Appliance, tmp_path: Path) -> None:
    source, image, archive = (tmp_path / name for name in ("sparse", "image", "archive"))
    with source.open("wb") as stream:
        stream.write(b"begin")
        stream.seek(8 * GIB - 3)
        stream.write(b"end")
    tree = Tree()
    tree.add("sparse", file(whole_file(source), Meta(mode=0o644)))
    write_image(image, tree, settings())
    files.create(archive, MIB)
    work(appliance, image, tmp_path, SPARSE, {"ubd1": archive})
    (tmp_path / "out").mkdir()
    tool("tar", "-C", tmp_path / "out", "-xf", archive)
    with (tmp_path / "out" / "sparse").open("rb") as stream:
        ranges = list(files.data_ranges(stream.fileno(), 0, 8 * GIB))
        assert ranges == [
            (0, 4096),
            (8 * GIB - 4096, 8 * GIB),
        ]  # so there is no need to compare 8 GiB of zeros
        stream.seek(0)
        assert stream.read(4096) == b"begin".ljust(4096, b"\0")
        stream.seek(8 * GIB - 4096)
        assert stream.read() == b"end".rjust(4096, b"\0")


def work(
    appliance: Appliance,
    image: Path,
    folder: Path,
    script: Path = WORK,
    more_disks: Mapping[str, Path] = MappingProxyType({}),
) -> str:
    """Let a kernel run *script*, which mounts *image* and works in it. Return the console's output."""
    programs = Tree()
    for path, node in appliance.programs.walk():
        if path:
            programs.add(path, node)
    programs.add("init", file(Literal(script.read_bytes()), Meta(mode=0o755)))
    initrd = folder / "initrd"
    write_segment(initrd, programs)
    disks = {"ubd0": image, **more_disks}
    machine = Machine(
        name="uml",
        kernel=appliance.kernel,
        folder=folder,
        memory_mib=512,
        initrd=initrd,
        disks=disks,
        parameters=["con0=null,fd:1"],
    )
    machine.prepare()
    done = subprocess.run(
        machine.argv,
        cwd=folder,
        capture_output=True,
        text=True,
        errors="replace",
        timeout=LIMIT_S,
        check=False,
    )
    assert "work: done" in done.stdout, done.stdout[-3000:]
    return done.stdout


@pytest.mark.parametrize(
    "choices",
    [Choices(), Choices(full_journals=True)],
    ids=["sparse journals", "full journals"],
)
def test_linux_works_in_it_and_leaves_it_clean(
    appliance: Appliance, tmp_path: Path, choices: Choices
) -> None:
    image = tmp_path / "image"
    chosen = settings(choices=choices)
    written = write_image(image, odd_tree(), chosen)
    console = work(appliance, image, tmp_path)
    assert_clean(image)
    assert findings(image.read_bytes()) == []  # our own verify accepts the kernel's changes
    assert_df_says(console, written, chosen)


def test_linux_works_with_small_blocks_and_leaves_it_clean(appliance: Appliance, tmp_path: Path) -> None:
    image = tmp_path / "image"
    write_image(image, odd_tree(1024), settings(1024))
    work(appliance, image, tmp_path)
    assert_clean(image)
    assert findings(image.read_bytes()) == []


def assert_df_says(console: str, written: Written, chosen: Settings) -> None:
    """Assert that df's figures before the work are those that the writer returned."""
    match = re.search(r"work: before \S+ +(\d+) +(\d+) +(\d+)", console)
    assert match is not None, console
    total, used, free = (int(number) * 1024 // chosen.geometry.block_size for number in match.groups())
    assert (total, used) == (written.used_blocks + written.free_blocks, written.used_blocks)
    assert free == written.free_blocks

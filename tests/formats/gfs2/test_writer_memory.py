"""The writer's memory grows with the number of inodes and not with the bytes in them."""

import subprocess
import sys
from pathlib import Path

import pytest
from gfs_judges import assert_clean

pytestmark = pytest.mark.long

PROGRAM = """
import sys
from pathlib import Path
from ssiuml.formats.gfs2.geometry import Geometry
from ssiuml.formats.gfs2.writer import Settings, write_image
from ssiuml.tree.tree import Extent, Literal, Meta, Tree, directory, file
target, source, files, size, gib = Path(sys.argv[1]), sys.argv[2], *map(int, sys.argv[3:])
tree = Tree()
for number in range(files):
    if number % 1000 == 0:
        folder = directory(Meta(mode=0o755))
        tree.root.children[str(number)] = folder
    content = Extent(source, 0, size) if size > 100 else Literal(b"small")
    folder.children[f"file-{number}"] = file(content, Meta(mode=0o644))

def peak():
    return int(next(line.split()[1] for line in open("/proc/self/status") if line.startswith("VmHWM")))

before = peak()
write_image(target, tree, Settings(geometry=Geometry(gib << 30, 4096, 1, 8 << 20)))
print(before, peak())
"""


def memory_mib(folder: Path, files: int, size_bytes: int, image_gib: int) -> tuple[float, float]:
    """Return the peak memory before and after writing *files* files; both include the tree itself."""
    source = folder / "source"
    source.write_bytes(bytes(range(256)) * (max(size_bytes, 256) // 256))
    image = folder / "image"
    words = [
        sys.executable,
        "-c",
        PROGRAM,
        str(image),
        str(source),
        *map(str, (files, size_bytes, image_gib)),
    ]
    done = subprocess.run(words, capture_output=True, text=True, check=True)
    assert_clean(image)
    image.unlink()
    before, after = (int(word) / 1024 for word in done.stdout.split())
    return before, after


def test_4_gib_of_contents_take_no_more_memory_than_4_mib(tmp_path: Path) -> None:
    _, small = memory_mib(tmp_path, 16, 256 << 10, 1)
    _, large = memory_mib(tmp_path, 16, 256 << 20, 5)
    assert large < small + 20
    assert large < 150


def test_300000_small_files_take_a_kilobyte_each(tmp_path: Path) -> None:
    before, after = memory_mib(tmp_path, 300_000, 5, 3)
    print(f"{before:.0f} MiB with the tree, {after:.0f} MiB at most")
    assert (after - before) * 1024 / 300_000 < 1.5

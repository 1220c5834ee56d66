"""The time to read an ext2 image and write its tree elsewhere, against ``debugfs -R 'rdump / DIR'``.

Run ``python -m bench.ext2 [FOLDER]``. The image holds FOLDER, by default about 320 MB of files of /usr. Runs
take turns, the page cache is warm, figures are medians. Our layer is flushed to the disk; what rdump writes
is not.
"""

import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from ssiuml.formats.ext2.reader import read_ext2
from ssiuml.formats.gfs1.geometry import GeometryOptions, plan_geometry
from ssiuml.formats.gfs1.writer import Settings, write_filesystem
from ssiuml.host.files import create
from ssiuml.host.run import find_tool
from ssiuml.tree.layer import write_tree
from ssiuml.tree.tree import Kind
from ssiuml.units import GIB, MIB

PROJECT = Path(__file__).parent.parent
REPEAT = 5
GOAL = 3.0
TREE_BYTES = 320 * MIB
LARGEST_BYTES = 4 * MIB
IMAGE_BYTES = GIB
JOURNALS, JOURNAL_MIB = 3, 32
# The form of 2001, and the one that mke2fs makes today.
IMAGES = {"ext2, 1 KiB": ("-t", "ext2", "-b", "1024", "-r", "0"), "ext4, 4 KiB": ("-t", "ext4", "-b", "4096")}


def tool(name: str) -> str:
    return find_tool(name) or name


def gather(target: Path) -> None:
    """Copy files of /usr to *target*, folder by folder, until there are TREE_BYTES. Links stay links.

    Files over LARGEST_BYTES are left out: on a developer's machine a few of them would be half of the tree,
    unlike in any base.
    """
    left = TREE_BYTES
    for folder in ("share", "lib", "bin"):
        for path, folders, files in os.walk(Path("/usr", folder)):
            folders.sort()
            place = target / Path(path).relative_to("/")
            place.mkdir(parents=True, exist_ok=True)
            for name in sorted(files):
                source = Path(path, name)
                size = source.lstat().st_size
                if size > LARGEST_BYTES or not (source.is_symlink() or os.access(source, os.R_OK)):
                    continue
                shutil.copy2(source, place / name, follow_symlinks=False)
                left -= size
                if left <= 0:
                    return


def read_only(image: Path, _: Path) -> None:
    read_ext2(image)


def to_layer(image: Path, folder: Path) -> None:
    write_tree(folder / "layer.tar", read_ext2(image))


def to_gfs1(image: Path, folder: Path) -> None:
    target = folder / "gfs1"
    create(target, IMAGE_BYTES)
    wish = GeometryOptions(
        device_bytes=IMAGE_BYTES, journals=JOURNALS, journal_mib=JOURNAL_MIB, block_size=4096, expert=True
    )
    settings = Settings(lock_protocol="lock_nolock", lock_table="a:b", time_s=1_700_000_000)
    write_filesystem(target, plan_geometry(wish), settings, read_ext2(image))


def rdump(image: Path, folder: Path) -> None:
    (folder / "dumped").mkdir()
    done = subprocess.run(
        [tool("debugfs"), "-R", f"rdump / {folder / 'dumped'}", image], check=True, capture_output=True
    )
    assert b"while" not in done.stderr, done.stderr


RUNS: dict[str, Callable[[Path, Path], None]] = {
    "debugfs rdump": rdump,
    "read the tree": read_only,
    "read, write a layer": to_layer,
    "read, write GFS1": to_gfs1,
}


def took_s(run: Callable[[Path, Path], None], image: Path, folder: Path) -> float:
    """Return the seconds by the clock of *run* in the new *folder*, which is removed afterwards."""
    folder.mkdir()
    os.sync()  # else the data of the run before would be written during this one
    started = time.monotonic()
    run(image, folder)
    took = time.monotonic() - started
    shutil.rmtree(folder)
    return took


def main(source: Path | None) -> None:
    (PROJECT / "images").mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="ssiuml-bench.", dir=PROJECT / "images") as scratch:
        folder = Path(scratch)
        if source is None:
            source = folder / "tree"
            gather(source)
        for what, options in IMAGES.items():
            image = folder / "image"
            create(image, IMAGE_BYTES)
            subprocess.run([tool("mke2fs"), "-q", "-F", *options, "-d", source, image], check=True, stdout=2)
            nodes = [node for _, node in read_ext2(image).walk()]
            size = sum(node.size_bytes for node in nodes if node.kind is Kind.FILE)
            files = sum(1 for node in nodes if node.kind is Kind.FILE)
            print(f"{what}: {len(nodes)} names, {files} files of {size / MIB:.0f} MiB")
            times: dict[str, list[float]] = {name: [] for name in RUNS}
            for number in range(REPEAT + 1):
                for name, run in RUNS.items():
                    took = took_s(run, image, folder / "run")
                    if number:  # the first run warms the cache
                        times[name].append(took)
            rival = statistics.median(times["debugfs rdump"])
            for name, all_ in times.items():
                middle = statistics.median(all_)
                print(
                    f"  {name:22} {middle:6.2f} s, {middle / rival:.2f} of rdump (goal: {GOAL:.0f}), "
                    f"best {min(all_):.2f} s",
                    flush=True,
                )
            image.unlink()


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else None)

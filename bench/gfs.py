"""The time to write a tree into a file system, against ``mke2fs -d``, a plain copy and the build appliance.

Run ``./run bench`` (``./run recipe=NAME bench``), or ``python -m bench.gfs NAME`` for this part alone. The
tree is that of the recipe with every module of the kernel, once as a folder and once as a tar archive, in a
temporary folder. Runs take turns, the page cache is warm, figures are medians. All writers flush to the disk.
"""

import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from ssiuml.host import files
from ssiuml.host.cache import entry_of
from ssiuml.host.run import find_tool
from ssiuml.images.appliance import Appliance
from ssiuml.kernel.packed import modules_layer
from ssiuml.pipeline.graph import Graph
from ssiuml.pipeline.plan import make_plan
from ssiuml.tree.layer import merge, read_layer, write_tree
from ssiuml.tree.tree import Tree
from ssiuml.units import GIB, MIB

PROJECT = Path(__file__).parent.parent
REPEAT = 7
SIZE_BYTES = 2 * GIB
JOURNALS, JOURNAL_MIB = 15, 32
STEPS = ("base", "kernel", "cluster-tools", "config", "prune")


OPTIONS = ["-q", "-p", "lock_nolock", "-t", "a:b", "-j", str(JOURNALS), "-J", str(JOURNAL_MIB)]
# It prints its own VmHWM: the peak that the kernel accounts to a child begins with that of its parent.
PEAK = """
import sys
from ssiuml.cli.mkfs_gfs import main
main(sys.argv[1:])
print(next(line.split()[1] for line in open("/proc/self/status") if line.startswith("VmHWM")))
"""


def tool(name: str) -> str:
    return find_tool(name) or name


@dataclass(frozen=True)
class Took:
    """Seconds by the clock, and of the processors, which can be compared on a busy machine, too."""

    wall: float
    cpu: float


def took_by(words: Sequence[str | Path]) -> Took:
    """Run a program to its end. Return its time."""
    before, started = os.times(), time.monotonic()
    subprocess.run(words, cwd=PROJECT, check=True, stdout=subprocess.DEVNULL)
    wall, after = time.monotonic() - started, os.times()
    cpu = after.children_user + after.children_system - before.children_user - before.children_system
    return Took(wall, cpu)


def peak_mib(generation: str, source: Path, image: Path) -> float:
    """Return the peak memory of our command."""
    words: list[str | Path] = [
        sys.executable,
        "-c",
        PEAK,
        *OPTIONS,
        "--format",
        generation,
        "-d",
        source,
        image,
    ]
    done = subprocess.run(words, cwd=PROJECT, check=True, capture_output=True, text=True)
    return int(done.stdout) / 1024


def mkfs_gfs(generation: str, source: Path) -> Callable[[Path], list[str | Path]]:
    """Return a function that gives the words of our command for the path of an image."""
    command = [sys.executable, "-m", "ssiuml.cli.mkfs_gfs", *OPTIONS, "--format", generation, "-d"]
    return lambda image: [*command, source, image]


def whole_tree(name: str) -> tuple[Tree, Appliance]:
    """Return the recipe's tree with all modules, and an appliance of it. Make the steps that this needs."""
    plan = make_plan(name, PROJECT, os.environ)
    words = [sys.executable, "-m", "doit", f"recipe={name}", *STEPS]
    subprocess.run(words, cwd=PROJECT, check=True, stdout=subprocess.DEVNULL)
    steps = Graph(plan).steps
    kernel = entry_of(steps["kernel"].results()["entry"])
    layers = [read_layer(Path(steps["base"].results()["path"])), modules_layer(kernel, None)]
    layers += [read_layer(plan.layer(step)) for step in ("cluster-tools", "config", "prune")]
    tree = merge(layers)
    version = str(kernel.facts["version"])
    work = plan.places.work / "bench"
    return tree, Appliance(
        kernel=plan.kernel, modules_version=version, programs=tree, work=work, task="bench"
    )


def filled_by_the_appliance(appliance: Appliance, tree: Tree, folder: Path) -> float:
    """Return the seconds that the appliance takes to format an image, fill it and read it back."""
    image = folder / "appliance"
    started = time.monotonic()
    files.create(image, SIZE_BYTES)
    sizes = ["-j", str(JOURNALS), "-J", str(JOURNAL_MIB)]
    subprocess.run(
        [tool("mkfs.gfs2"), "-q", "-O", "-K", *sizes, "-p", "lock_nolock", "-t", "a:b", image],
        check=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    appliance.fill(image, tree)
    took = time.monotonic() - started
    image.unlink()
    return took


def used_mib(folder: Path) -> float:
    """Return the size that du reports for a folder."""
    done = subprocess.run(["du", "-sk", folder], capture_output=True, text=True, check=True)
    return int(done.stdout.split()[0]) / 1024


def main(name: str) -> None:
    tree, appliance = whole_tree(name)
    with tempfile.TemporaryDirectory(prefix="ssiuml-bench.", dir=PROJECT / "images") as scratch:
        folder = Path(scratch)
        source, archive, image = folder / "tree", folder / "tree.tar", folder / "image"
        write_tree(archive, tree)
        source.mkdir()
        subprocess.run(["tar", "-xpf", archive, "-C", source, "--exclude=./dev/*"], check=True)
        inodes = sum(1 for _ in source.rglob("*"))
        print(f"{inodes} inodes, {used_mib(source):.0f} MiB in a folder, {JOURNALS} journals")
        runs: dict[str, Callable[[Path], list[str | Path]]] = {
            "mke2fs -d folder": lambda path: [tool("mke2fs"), "-q", "-F", "-t", "ext4", "-d", source, path],
            "plain copy of the archive": lambda path: [
                *("dd", "bs=1M", "conv=fsync", "status=none"), f"if={archive}", f"of={path}"
            ],
            "gfs2 from the folder": mkfs_gfs("gfs2", source),
            "gfs2 from the archive": mkfs_gfs("gfs2", archive),
            "gfs1 from the folder": mkfs_gfs("gfs1", source),
            "gfs1 from the archive": mkfs_gfs("gfs1", archive),
        }  # fmt: skip
        times: dict[str, list[Took]] = {what: [] for what in runs}
        allocated: dict[str, int] = {}
        for number in range(REPEAT + 1):
            for what, words in runs.items():
                files.create(image, SIZE_BYTES)
                # Else the data of the run before would be written during this one.
                os.sync()
                took = took_by(words(image))
                if number:  # the first run warms the cache
                    times[what].append(took)
                allocated[what] = files.allocated_bytes(image)
                image.unlink()
        middle = {
            what: Took(
                statistics.median(one.wall for one in all_), statistics.median(one.cpu for one in all_)
            )
            for what, all_ in times.items()
        }
        rival, copy = middle["mke2fs -d folder"], middle["plain copy of the archive"]
        for what, one in middle.items():
            ratios = (
                f"{one.wall / rival.wall:.2f} of mke2fs (goal: 1), {one.wall / copy.wall:.2f} of the copy"
            )
            best = min(one.wall for one in times[what])
            cpu = f"processors {one.cpu:5.2f} s, {one.cpu / rival.cpu:5.2f} of mke2fs"
            print(f"{what:26} {one.wall:6.2f} s, {ratios}, best {best:.2f} s; {cpu}", flush=True)
        for generation in ("gfs2", "gfs1"):
            files.create(image, SIZE_BYTES)
            peak = peak_mib(generation, source, image)
            print(f"{generation + ', peak memory':30} {peak:6.0f} MiB (goal: 150)")
        for what in ("gfs2 from the folder", "mke2fs -d folder"):
            share = allocated[what] / MIB / used_mib(source)
            print(f"{what:30} {allocated[what] / MIB:6.0f} MiB on the disk, {share:.3f} of du's (goal: 1.08)")
        shutil.rmtree(source)
        long = filled_by_the_appliance(appliance, tree, folder)
        times_as_long = long / middle["gfs2 from the archive"].wall
        print(f"{'the appliance':30} {long:6.2f} s, {times_as_long:.1f} times as long (goal: 15)")


if __name__ == "__main__":
    main(sys.argv[1])

"""The time of a release against tar and the same compressor alone, and its size against the tree as tar.

Run ``./run bench``, or ``python -m bench.release RECIPE`` with a recipe that is built. The release is made in
the checkout, as ``./run release`` does.
"""

import shlex
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from bench.build import LIMIT_S, PROJECT, REPEAT, seconds
from ssiuml.pipeline.graph import Graph
from ssiuml.pipeline.plan import Plan, make_plan
from ssiuml.release.tarball import Compressor, compressor
from ssiuml.tree.layer import write_tree

TIMES = 3  # each takes half a minute


def doit(recipe: str, *words: str) -> list[str]:
    return [sys.executable, "-m", "doit", f"recipe={recipe}", *words]


def release_again(plan: Plan, recipe: str) -> float:
    """Return the seconds to pack images that are already built and tested."""
    for step in ("release-root", "release-kernel", "release-utils", "release"):
        plan.places.stamp(step).unlink(missing_ok=True)
    return seconds(doit(recipe, "release"), PROJECT, {})


def pack(target: Path, folder: Path, names: list[str], chosen: Compressor) -> float:
    program = shlex.join(chosen.command)
    words = ["tar", "--create", "--format=gnu", "--sparse", f"--use-compress-program={program}"]
    return seconds([*words, f"--file={target}", f"--directory={folder}", *names], folder, {})


def main(recipe: str) -> None:
    plan = make_plan(recipe, PROJECT, {})
    chosen = compressor(plan.recipe.release.compression)
    subprocess.run(doit(recipe, "release"), cwd=PROJECT, check=True, timeout=LIMIT_S, capture_output=True)
    steps = Graph(plan).steps
    names = ("release-root", "release-kernel", "release-utils")
    tarballs = [Path(steps[name].results()["file"]) for name in names if name in steps]
    with tempfile.TemporaryDirectory(dir=PROJECT / "images") as scratch:
        folder = Path(scratch)
        for tarball in tarballs:
            subprocess.run(["tar", "-C", folder, "-xf", tarball], check=True, timeout=LIMIT_S)
        unpacked = sorted(path.name for path in folder.iterdir())
        ours, alone = [], []
        for _ in range(TIMES):
            ours.append(release_again(plan, recipe))
            alone.append(sum(pack(folder / "alone", folder, [name], chosen) for name in unpacked))
        ratio = statistics.median(ours) / statistics.median(alone)
        print(f"{recipe}: release {statistics.median(ours):.1f} s, tar and {chosen.tool.name} alone", end=" ")
        print(f"{statistics.median(alone):.1f} s: {ratio:.2f} (goal 1.2)")

        (root,) = (name for name in unpacked if (folder / name / "root_fs").exists())
        tree = folder / "tree.tar"
        write_tree(tree, Graph(plan).tree())
        pack(folder / "root", folder / root, ["root_fs"], chosen)
        with tree.open("rb") as source, (folder / "packed").open("wb") as target:
            subprocess.run(chosen.command, stdin=source, stdout=target, check=True, timeout=LIMIT_S)
        sizes = [(folder / name).stat().st_size for name in ("root", "packed")]
        print(f"{recipe}: root_fs {sizes[0] >> 10} KiB, its tree as tar {sizes[1] >> 10} KiB", end=" ")
        print(f"({chosen.suffix}): {sizes[0] / sizes[1]:.3f} (goal 1.1)")
    for task in ("explain", "graph"):
        times = [seconds(doit(recipe, task), PROJECT, {}) for _ in range(REPEAT)]
        print(f"{recipe}: {task} {statistics.median(times):.2f} s (goal 2)")


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else "trixie")

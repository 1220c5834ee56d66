"""The time from the downloaded base to the image of 2002, against unpacking it and ``mke2fs -d`` of its tree.

Run ``./run bench``, or ``python -m bench.rh72 [MIB]`` for this part alone. The downloads are stand-ins that
the tests' own programs make, the base with MIB (300) more of files; all lie in a temporary folder.
"""

import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from bench.build import copy_checkout
from ssiuml.host.run import find_tool

PROJECT = Path(__file__).parent.parent
REPEAT = 3
LIMIT_S = 3600.0
BULK_MIB = 300
RECIPE = "rh72-old-root"  # this recipe builds no kernel


Words = list[str | Path]


def seconds(
    words: Sequence[str | Path],
    folder: Path,
    stdout: Path | None = None,
    environ: Mapping[str, str] | None = None,
) -> float:
    """Run a command and flush its files to the disk. Return the seconds that both took."""
    started = time.monotonic()
    with (stdout or Path(os.devnull)).open("wb") as out:
        subprocess.run(
            words,
            cwd=folder,
            env={**os.environ, **(environ or {})},
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.DEVNULL,
            check=True,
            timeout=LIMIT_S,
        )
        os.sync()
    return time.monotonic() - started


def make_sources(folder: Path, bulk_mib: int) -> None:
    script = (
        "import sys; sys.path.insert(0, 'tests/support')\n"
        "from pathlib import Path; from redhat import root_image, sources\n"
        f"made = sources.make_sources(Path({str(folder)!r})); base = made / root_image.RED_HAT_NAME\n"
        f"base.unlink(); root_image.make_root_fs(base, bulk_mib={bulk_mib})\n"
    )
    subprocess.run([sys.executable, "-c", script], cwd=PROJECT, check=True)


def prepare(checkout: Path, downloads: Path, sources: Path) -> None:
    """Make *checkout*, and give its cache all downloads."""
    copy_checkout(checkout)
    downloads.mkdir(parents=True)
    for path in sources.iterdir():
        os.link(path, downloads / path.name)


def main(bulk_mib: int) -> None:
    with tempfile.TemporaryDirectory(prefix="ssiuml-bench.") as scratch:
        top = Path(scratch)
        sources, checkout, cache = top / "sources", top / "checkout", top / "cache"
        make_sources(sources, bulk_mib)
        prepare(checkout, cache / "downloads", sources)
        build = [sys.executable, "-m", "doit", f"recipe={RECIPE}", "offline=yes"]
        environ = {"PYTHONPATH": str(checkout), "SSIUML_CACHE": str(cache)}
        seconds([*build, "fetch"], checkout, environ=environ)
        bunzip2: Words = [find_tool("bunzip2") or "bunzip2", "-c", sources / "root_fs.rh72.pristine.bz2"]
        image, tree = top / "root_fs.ext2", top / "tree"
        seconds(bunzip2, top, image)
        tree.mkdir()
        seconds([find_tool("debugfs") or "debugfs", "-R", f"rdump / {tree}", image], top)
        unpacking, filling, builds = [], [], []
        for _ in range(REPEAT):
            unpacking.append(seconds(bunzip2, top, image))
            target = top / "mke2fs"
            target.unlink(missing_ok=True)
            mke2fs: Words = [
                find_tool("mke2fs") or "mke2fs",
                "-q",
                "-F",
                "-t",
                "ext4",
                "-d",
                tree,
                target,
                "2G",
            ]
            filling.append(seconds(mke2fs, top))
            shutil.rmtree(checkout / "images" / RECIPE, ignore_errors=True)
            shutil.rmtree(cache / "base", ignore_errors=True)
            builds.append(seconds([*build, "build-root"], checkout, environ=environ))
        peers = statistics.median(unpacking) + statistics.median(filling)
        print(f"{'bunzip2':40} {statistics.median(unpacking):6.2f} s")
        print(f"{'mke2fs -d':40} {statistics.median(filling):6.2f} s")
        ratio = statistics.median(builds) / peers
        print(f"{'build-root of rh72, offline':40} {statistics.median(builds):6.2f} s  {ratio:.2f} (goal: 3)")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else BULK_MIB)

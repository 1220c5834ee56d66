"""The time to build and boot our kernel against Debian's, and the bytes that it saves in the initrd.

Run ``python -m bench.kernel``, which takes about half an hour, after bookworm and bookworm-ssi are built.
Builds have a checkout and a cache of their own. Debian's own build is not run: its time is estimated from the
number of its objects, which the symbol tables of its modules give.
"""

import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Final

from bench.build import copy_checkout
from bench.cluster import LIMIT_S, PROJECT, boot_bare, command, line, run, seconds
from ssiuml import manifest
from ssiuml.host.places import cache_root
from ssiuml.host.run import find_tool

RECIPES: Final = ("bookworm", "bookworm-ssi")
REPEAT: Final = 7
STARTS: Final = 3
BUILD_LIMIT_S: Final = 4 * 3600.0


def build(checkout: Path, cache: Path, environ: dict[str, str]) -> float:
    """Return the seconds of a build from the fetched package, with unpacking and patching."""
    words = [sys.executable, "-m", "doit", "recipe=bookworm-ssi"]
    env = {**os.environ, "PYTHONPATH": str(checkout), "SSIUML_CACHE": str(cache), **environ}

    def call(task: str) -> None:
        subprocess.run(
            [*words, task], cwd=checkout, env=env, check=True, capture_output=True, timeout=BUILD_LIMIT_S
        )

    shutil.rmtree(cache / "kernel", ignore_errors=True)
    call("fetch")
    return seconds(lambda: call("kernel"))


def objects(folder: Path) -> int:
    """Return the number of objects in the modules below *folder*, by the names of their sources."""
    count = 0
    for path in folder.rglob("*.ko"):
        text = subprocess.run(["readelf", "-sW", path], capture_output=True, text=True, check=True).stdout
        count += text.count(" FILE ")
    return count


def modules_of(recipe: str, folder: Path) -> int:
    layer = PROJECT / "images" / recipe / "layers" / "modules.tar"
    folder.mkdir()
    subprocess.run(["tar", "-C", folder, "-xf", layer], check=True)
    return objects(folder)


def compare_builds(scratch: Path) -> None:
    cache = scratch / "cache"
    (cache / "downloads").parent.mkdir()
    (cache / "downloads").symlink_to(cache_root(os.environ) / "downloads")
    checkout = scratch / "checkout"
    copy_checkout(checkout)
    log = checkout / "images" / "bookworm-ssi" / "kernel.log"
    ccache = {"CCACHE_DIR": str(scratch / "ccache")}
    cold = build(checkout, cache, {**ccache, "CCACHE_DISABLE": "1"})
    ours = sum(text.lstrip().startswith("CC") for text in log.read_text().splitlines())
    in_modules = modules_of("bookworm-ssi", scratch / "ours")
    # About the same objects are built in; GFS2, DLM and all that they need are modules in Debian's kernel.
    theirs = ours - in_modules + modules_of("bookworm", scratch / "theirs")
    print(f"{ours} objects here, Debian's configuration has about {theirs}")
    estimate = cold * theirs / ours
    line("Debian's configuration, estimated", estimate, 1.0, "")
    line("kernel, cold", cold, cold / estimate, "goal: a third")
    if find_tool("ccache") is not None:
        build(checkout, cache, ccache)
        warm = build(checkout, cache, ccache)
        line("kernel, with a warm ccache", warm, warm / cold, "of cold; goal: a quarter")


def start(recipe: str, scratch: Path) -> float:
    os.environ["XDG_STATE_HOME"] = str(scratch)
    words = command("start", "3", "--recipe", recipe, "--no-xterm")
    try:
        run(words)  # this start also copies the root
        run(command("stop"))
        times = []
        for _ in range(STARTS):
            times.append(seconds(lambda: run(words)))
            run(command("stop"))
    finally:
        subprocess.run(command("stop"), capture_output=True, check=False, timeout=LIMIT_S)
    return statistics.median(times)


def compare_boots(scratch: Path) -> None:
    images = {recipe: manifest.read(PROJECT / "images" / recipe) for recipe in RECIPES}
    boots: dict[str, list[float]] = {recipe: [] for recipe in RECIPES}
    for _ in range(REPEAT):
        for recipe, image in images.items():
            boots[recipe].append(boot_bare(image, scratch / f"bare-{time.monotonic_ns()}"))
    theirs, ours = (statistics.median(boots[recipe]) for recipe in RECIPES)
    line("boot to init, Debian's kernel", theirs, 1.0, "")
    line("boot to init, ours", ours, ours / theirs, "goal: 0.7")
    sizes = [image.initrd.stat().st_size for image in images.values()]
    print(f"initrd: {sizes[0]} bytes with modules, {sizes[1]} without, ratio {sizes[1] / sizes[0]:.2f}")
    theirs, ours = (start(recipe, scratch / recipe) for recipe in RECIPES)
    line("ssi-start 3, Debian's kernel", theirs, 1.0, "")
    line("ssi-start 3, ours", ours, ours / theirs, "")


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="ssi.") as folder:
        scratch = Path(folder)
        for recipe in RECIPES:
            (scratch / recipe).mkdir()
        compare_boots(scratch)
        compare_builds(scratch)


if __name__ == "__main__":
    main()

"""The time of a build: cold as a ratio to mmdebstrap alone, and with nothing to do.

Run ``./run bench`` (``./run recipe=NAME bench``). It builds in a temporary folder and leaves images alone.
"""

import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from ssiuml.debian import base
from ssiuml.debian.apt import sources_list
from ssiuml.host import files
from ssiuml.host.run import find_tool
from ssiuml.pipeline.plan import make_plan

PROJECT = Path(__file__).parent.parent
REPEAT = 5
LIMIT_S = 3600.0


def seconds(words: Sequence[str | Path], folder: Path, environ: Mapping[str, str]) -> float:
    """Run a command to its end. Return the seconds that it took."""
    started = time.monotonic()
    subprocess.run(
        words,
        cwd=folder,
        env={**os.environ, **environ},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        check=True,
        timeout=LIMIT_S,
    )
    return time.monotonic() - started


def median(words: Sequence[str | Path], folder: Path, environ: Mapping[str, str]) -> float:
    return statistics.median(seconds(words, folder, environ) for _ in range(REPEAT))


def copy_checkout(folder: Path) -> None:
    """Copy the project's sources to *folder*, with nothing built."""
    for name in ("recipes", "templates", "cluster-tools", "kernel", "ssiuml"):
        shutil.copytree(PROJECT / name, folder / name, symlinks=True)
    for name in ("dodo.py", "pyproject.toml"):
        shutil.copy2(PROJECT / name, folder / name)
    (folder / "images").mkdir()


def mmdebstrap_words(recipe_name: str, folder: Path) -> list[str]:
    """Return the command that installs the same packages without this project."""
    recipe = make_plan(recipe_name, folder, {}).recipe
    return [
        find_tool("mmdebstrap") or "mmdebstrap",
        "--variant=minbase",
        f"--include={','.join(recipe.all_packages)}",
        *(f"--dpkgopt={option}" for option in base.DPKG_OPTIONS),
        recipe.packaged.suite,
        str(folder / "alone.tar"),
        *sources_list(recipe.packaged).splitlines(),
    ]


def build_process_peak_mib(doit: Sequence[str], folder: Path, environ: Mapping[str, str]) -> float:
    """Return the peak resident memory of the build process itself, without the programs that it runs."""
    script = (
        "import resource, sys\n"
        "from doit.doit_cmd import DoitMain\n"
        "status = DoitMain().run(sys.argv[1:])\n"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, file=sys.__stdout__)\n"
        "sys.exit(status)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, *doit],
        cwd=folder,
        env={**os.environ, **environ},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=True,
        timeout=LIMIT_S,
    )
    return int(done.stdout.split()[-1]) * 1024 / (1 << 20)


def line(what: str, value: float, unit: str, ratio: float | None = None, goal: str = "") -> None:
    text = f"{what:48} {value:8.2f} {unit:4}"
    print(text if ratio is None else f"{text} ratio {ratio:5.2f}  {goal}", flush=True)


def main(name: str) -> None:
    with tempfile.TemporaryDirectory(prefix="ssiuml-bench.") as scratch:
        folder = Path(scratch)
        copy_checkout(folder)
        environ = {"PYTHONPATH": str(folder), "SSIUML_CACHE": str(folder / "cache")}
        doit = [sys.executable, "-m", "doit", f"recipe={name}"]

        alone = seconds(mmdebstrap_words(name, folder), folder, {})
        line("mmdebstrap alone, same packages", alone, "s")
        cold = seconds([*doit, "build-root"], folder, environ)
        line("cold build", cold, "s", cold / alone, "goal: at most 1.15")
        # In the checkout, whose Python environment ./run uses.
        idle = median([PROJECT / "run", f"recipe={name}", "build-root"], PROJECT, {})
        line("./run build-root with nothing changed", idle, "s", idle / 0.5, "of 0.5 s")

        root_fs = folder / "images" / name / "root_fs"
        line("root_fs, apparent", root_fs.stat().st_size / (1 << 20), "MiB")
        line("root_fs, allocated", files.allocated_bytes(root_fs) / (1 << 20), "MiB")
        line("initrd", (root_fs.parent / "initrd-ssi.img").stat().st_size / (1 << 20), "MiB")

        more = f"description: one service more pruned\nextends: {name}\n"
        pruned = [*make_plan(name, folder, {}).recipe.prune, "rsyslog"]
        (folder / "recipes" / f"{name}.yaml").rename(folder / "recipes" / "before.yaml")
        text = more.replace(name, "before") + f"prune: [{', '.join(pruned)}]\n"
        (folder / "recipes" / f"{name}.yaml").write_text(text)
        warm = seconds([*doit, "build-root"], folder, environ)
        line("one service more pruned", warm, "s", warm / alone)

        shutil.rmtree(folder / "images" / name)
        peak = build_process_peak_mib([f"recipe={name}", "build-root"], folder, environ)
        line("peak memory of the build process", peak, "MiB", peak / 300, "of 300 MiB")
        peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024 / (1 << 20)
        line("peak memory of any one process (the appliance)", peak, "MiB")


if __name__ == "__main__":
    main(sys.argv[1])

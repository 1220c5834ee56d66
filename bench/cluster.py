"""The time that a cluster takes to start, run a command, recover and stop, as ratios.

Run ``./run bench`` (``./run recipe=NAME bench``). It uses the built images, and a folder of its own.
"""

import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from ssiuml import manifest
from ssiuml.host import uml
from ssiuml.manifest import Manifest

PROJECT = Path(__file__).parent.parent
REPEAT = 5
NODES = 3
LIMIT_S = 600.0
NAME = "bench"
# Appends to a file under a lock that the crashed node takes, too, and prints a line each time.
WRITER = (
    "use Fcntl ':flock'; $| = 1; while (1) { open my $f, '>>', '/root/bench' or die; flock $f, LOCK_EX; "
    "print $f 'x'; close $f; print \"x\\n\" }"
)


def command(name: str, *words: str) -> list[str]:
    return [sys.executable, "-m", f"ssiuml.cli.{name}", "--cluster", NAME, *words]


def run(words: Sequence[str]) -> None:
    subprocess.run(
        words, stdin=subprocess.DEVNULL, capture_output=True, check=True, timeout=LIMIT_S, cwd=PROJECT
    )


def seconds(work: Callable[[], object]) -> float:
    started = time.monotonic()
    work()
    return time.monotonic() - started


def boot_bare(images: Manifest, folder: Path) -> float:
    """Return the seconds until the same kernel, without our parameters, reaches its init."""
    machine = uml.Machine(
        name="bare",
        kernel=images.require_kernel(),
        folder=folder,
        memory_mib=uml.NODE_MEMORY_MIB,
        initrd=images.initrd,
        disks={},
        parameters=["con0=null,fd:1"],
    )
    machine.prepare()
    started = time.monotonic()
    with subprocess.Popen(
        machine.argv,
        cwd=folder,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    ) as process:
        assert process.stdout is not None
        reached = next(time.monotonic() for line in process.stdout if b"Run /init" in line)
        # Without a node's number the init ends by itself.
        process.stdout.read()
    return reached - started


def recovery(node: int, victim: int) -> float:
    """Return the seconds from the kill of *victim* until a write of *node* that needs its locks continues."""
    writing = [
        subprocess.Popen(command("exec", str(one), "--", "perl", "-e", WRITER), stdout=subprocess.PIPE)
        for one in (node, victim)
    ]
    try:
        for process in writing:
            assert process.stdout is not None
            process.stdout.readline()
        run(command("rm", str(victim)))
        killed = time.monotonic()
        gap = 0.0
        last = killed
        stream = writing[0].stdout
        assert stream is not None
        # Lines that were on their way come first, then none until the locks are recovered.
        while gap < 1.0:
            assert stream.readline(), "the writer has ended"
            gap = time.monotonic() - last
            last += gap
        return last - killed
    finally:
        for process in writing:
            process.terminate()
            process.communicate()


def line(what: str, value: float, ratio: float, goal: str) -> None:
    print(f"{what:48} {value:8.2f} s    ratio {ratio:5.2f}  {goal}", flush=True)


def main(recipe: str) -> None:
    images = manifest.read(PROJECT / "images" / recipe)
    token_s = images.values["cluster"]["timings"]["token_ms"] / 1000
    with tempfile.TemporaryDirectory(prefix="ssi.") as scratch:
        os.environ["XDG_STATE_HOME"] = scratch
        start = command("start", str(NODES), "--recipe", recipe, "--no-xterm")
        first = seconds(lambda: run(start))
        run(command("stop"))
        bare, starts, stops, warm, recoveries = [], [], [], [], []
        try:
            for _ in range(REPEAT):
                bare.append(boot_bare(images, Path(scratch) / "bare"))
                starts.append(seconds(lambda: run(start)))
                run(command("exec", "1", "--", "true"))
                warm += [seconds(lambda: run(command("exec", "1", "--", "true"))) for _ in range(REPEAT)]
                recoveries.append(recovery(1, 2))
                run(command("add", "2"))
                stops.append(seconds(lambda: run(command("stop"))))
        finally:
            subprocess.run(command("stop"), capture_output=True, check=False, timeout=LIMIT_S)
        boot = statistics.median(bare)
        line("one bare User-Mode Linux reaches init", boot, 1.0, "")
        line(f"first ssi-start {NODES}, with the copy of the root", first, first / boot, "")
        value = statistics.median(starts)
        line(f"ssi-start {NODES}", value, value / boot, "goal: at most 4 s")
        value = statistics.median(stops)
        line(f"ssi-stop of {NODES}, after a crash with a check", value, value / boot, "goal: at most 4 s")
        value = statistics.median(warm)
        line("ssi-exec of true on a running node", value, value / 0.2, "of 0.2 s")
        value = statistics.median(recoveries)
        line("ssi-rm to a blocked write that goes on", value, value / token_s, "of the token; goal: 2.2")


if __name__ == "__main__":
    main(sys.argv[1])

"""How fast a base layer is read with our reader of tar headers, side by side with tarfile alone.

``python -m bench.layer [ARCHIVE]``. ARCHIVE is a tar archive. By default the program packs files of
/usr/share and /usr/lib as mmdebstrap packs a base: POSIX pax, times in whole seconds. Runs take turns, the
page cache is warm, figures are medians of processor time, which stays comparable on a busy machine.
"""

import statistics
import subprocess
import sys
import tarfile
import tempfile
import time
from itertools import islice
from pathlib import Path
from unittest.mock import patch

from ssiuml.tree.layer import read_layer
from ssiuml.tree.tarheader import Header

REPEAT = 5
GOAL = 1.5  # a smaller gain would not be worth the lines of the reader
NAMES = 20_000
LARGEST_BYTES = 64 << 10  # only headers are read: small files give the same times in less space
FOLDERS = ("usr/share", "usr/lib")
READERS: dict[str, type[tarfile.TarInfo]] = {"tarfile": tarfile.TarInfo, "Header": Header}


def make_archive(target: Path) -> None:
    """Pack NAMES files, folders and links, half of them from each of FOLDERS."""
    chosen: list[str] = []
    for folder in FOLDERS:
        paths = (path for path in Path("/", folder).rglob("*") if is_packed(path))
        chosen += [str(path.relative_to("/")) for path in islice(paths, NAMES // len(FOLDERS))]
    words = ["tar", "--create", "--format=pax", "--no-recursion", "--sort=name", "--numeric-owner"]
    words += ["--mtime=@1700000000", "--pax-option=delete=atime,delete=ctime", "--directory=/"]
    words += [f"--file={target}", "--null", "--files-from=-"]
    subprocess.run(words, input="\0".join(chosen), text=True, check=True)


def is_packed(path: Path) -> bool:
    return path.is_symlink() or path.is_dir() or (path.is_file() and path.stat().st_size <= LARGEST_BYTES)


def read_s(archive: Path, reader: type[tarfile.TarInfo]) -> float:
    """Seconds of processor time for read_layer with this reader of headers."""
    with patch("ssiuml.tree.layer.Header", reader):
        started = time.process_time()
        read_layer(archive)
        return time.process_time() - started


def measure(archive: Path) -> None:
    times: dict[str, list[float]] = {name: [] for name in READERS}
    for number in range(REPEAT + 1):
        for name, reader in READERS.items():
            took = read_s(archive, reader)
            if number:  # the first one warms the cache
                times[name].append(took)
    alone, ours = (statistics.median(all_) for all_ in times.values())
    print(
        f"{len(read_layer(archive).entries)} names: tarfile alone {alone:.2f} s, with Header {ours:.2f} s, "
        f"{alone / ours:.2f} times as fast (goal: {GOAL})"
    )


def main(archive: Path | None) -> None:
    if archive is not None:
        measure(archive)
        return
    with tempfile.TemporaryDirectory(prefix="ssiuml-bench.") as scratch:
        made = Path(scratch, "base.tar")
        make_archive(made)
        measure(made)


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else None)

"""Patches and series of patches, applied by patch(1) to a source tree."""

import re
from collections.abc import Container
from pathlib import Path
from typing import Final

from ssiuml.host.digests import Values, file_sha256
from ssiuml.host.run import CommandError, run
from ssiuml.kernel import KernelError

SERIES: Final = "series"
_TIMEOUT_S: Final = 600.0
_SOME_FAILED: Final = 1  # patch's exit status when hunks were rejected; 2 is serious trouble
_REJECTS: Final = re.compile(r"saving rejects to file '?(.+?)\.rej'?$", re.M)
_HINT_BYTES: Final = 4000


def read_series(folder: Path) -> list[Path]:
    """The patches that the file ``series`` in *folder* lists, in its order.

    Source: quilt(1); one patch a line, # begins a comment, and -p1 is the only option, which is the default.
    KernelError, with file and line, for a patch that is not there and for other options.
    """
    series = folder / SERIES
    if not series.is_file():
        raise KernelError(f"{series}: there is no such file", hint="list the patches in it, a line each")
    patches = []
    for number, line in enumerate(series.read_text(encoding="utf-8", errors="replace").splitlines(), start=1):
        name, *options = line.partition("#")[0].split() or [""]
        if not name:
            continue
        where = f"{series}:{number}"
        if options not in ([], ["-p1"]):
            raise KernelError(f"{where}: the option '{' '.join(options)}' is not possible", hint="write -p1")
        if not (folder / name).is_file():
            raise KernelError(f"{where}: there is no patch '{name}' in {folder}")
        patches.append(folder / name)
    return patches


def patch_inputs(patches: list[Path]) -> Values:
    """What stands for *patches* among the inputs of a step."""
    return {"patches": [[path.name, file_sha256(path)] for path in patches]}


def apply_patch(patch: Path, tree: Path, may_fail: Container[str] = (), *, fuzz: int = 2) -> list[str]:
    """Apply *patch* to the source in *tree*, as ``patch -p1``; return the files of *may_fail* that it left.

    *fuzz* lines of what surrounds a hunk may differ (2 is patch's own).

    Raises KernelError, with the rejected hunks, if it does not fit another file.
    """
    words = [
        "--strip=1",
        f"--fuzz={fuzz}",
        "--batch",
        "--forward",
        "--no-backup-if-mismatch",
        f"--directory={tree}",
    ]
    try:
        printed = run(
            ["patch", *words, f"--input={patch.resolve()}"],
            timeout_s=_TIMEOUT_S,
            env={"LC_ALL": "C"},
            ok_exit=(0, _SOME_FAILED),
        )
    except CommandError as error:
        raise KernelError(f"{patch}: cannot be applied to {tree}\n{error.output}") from error
    rejected = _REJECTS.findall(printed)
    # What patch does not find it skips, and there is no file of rejects for it.
    lines = printed.splitlines()
    lost = [line for line in lines if "can't find file" in line]
    wrong = [name for name in rejected if name not in may_fail]
    if not rejected:
        lost += [line for line in lines if " FAILED" in line or " ignored" in line]
    if wrong or lost:
        raise KernelError(
            f"{patch.name}: does not fit this source: {', '.join(wrong) or lost[0]}\n"
            + "".join(_shown(tree / f"{name}.rej") for name in wrong)
            + ("" if wrong else printed),
            hint="is it for this version of the source?",
        )
    for name in rejected:
        (tree / f"{name}.rej").unlink()
    return rejected


def _shown(reject: Path) -> str:
    text = reject.read_text(errors="replace") if reject.is_file() else f"{reject}: is gone\n"
    return text if len(text) <= _HINT_BYTES else f"{text[:_HINT_BYTES]}\n…\n"

"""Patches and series of patches, which patch(1) applies to a source tree."""

import re
from collections.abc import Container
from pathlib import Path
from typing import Final

from ssiuml.errors import SsiumlError
from ssiuml.host.digests import Values, file_sha256
from ssiuml.host.run import PLAIN_LANGUAGE, CommandError, run_to_status

SERIES: Final = "series"
_TIMEOUT_S: Final = 600.0
_SOME_FAILED: Final = 1  # exit status of patch if hunks were rejected; 2 means serious trouble
_REJECTS: Final = re.compile(r"saving rejects to file '?(.+?)\.rej'?$", re.M)
_HINT_BYTES: Final = 4000


def read_series(folder: Path) -> list[Path]:
    """Return the patches that the file ``series`` in *folder* lists, in its order.

    Source: quilt(1). Each line has one patch; # begins a comment. The only option is -p1, the default. Raise
    SsiumlError, with file and line, if a patch is missing or has another option.
    """
    series = folder / SERIES
    if not series.is_file():
        raise SsiumlError(f"{series}: there is no such file", hint="list the patches in it, one a line")
    patches = []
    text = series.read_text(encoding="utf-8-sig", errors="replace")
    for number, line in enumerate(text.splitlines(), start=1):
        name, *options = line.partition("#")[0].split() or [""]
        if not name:
            continue
        where = f"{series}:{number}"
        if options not in ([], ["-p1"]):
            raise SsiumlError(f"{where}: the option '{' '.join(options)}' is not possible", hint="write -p1")
        if not (folder / name).is_file():
            raise SsiumlError(f"{where}: there is no patch '{name}' in {folder}")
        patches.append(folder / name)
    return patches


def patch_inputs(patches: list[Path]) -> Values:
    """Return the inputs of a step that applies *patches*: their names and digests."""
    return {"patches": [[path.name, file_sha256(path)] for path in patches]}


def apply_patch(patch: Path, tree: Path, may_fail: Container[str] = (), *, fuzz: int = 2) -> list[str]:
    """Apply *patch* to the source in *tree*, as ``patch -p1`` does. Return the files it could not change.

    Only files in *may_fail* may be among these. Up to *fuzz* lines around a hunk may differ (2 is patch's
    default). Raise SsiumlError, with the rejected hunks, if *patch* does not fit another file.
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
        status, lines = run_to_status(
            ["patch", *words, f"--input={patch.resolve()}"],
            timeout_s=_TIMEOUT_S,
            env=PLAIN_LANGUAGE,
            ok_exit=(0, _SOME_FAILED),
        )
    except CommandError as error:
        raise SsiumlError(f"{patch}: cannot be applied to {tree}: {error}") from error
    printed = "".join(f"{line}\n" for line in lines)
    rejected = _REJECTS.findall(printed)
    # For files that it does not find, or does not delete because they differ, patch writes no rejects.
    lost = [line for line in lines if "can't find file" in line or line.startswith("Not deleting file")]
    wrong = [name for name in rejected if name not in may_fail]
    if status and not rejected and not lost:
        lost = (
            [line for line in lines if " FAILED" in line or " ignored" in line] or lines[-1:] or ["no reason"]
        )
    if wrong or lost:
        raise SsiumlError(
            f"{patch.name}: does not fit this source: {', '.join(wrong) or lost[0]}\n"
            + "".join(_shown(tree / f"{name}.rej") for name in wrong)
            + ("" if wrong else printed),
            hint="use a patch for this version of the source",
        )
    for name in rejected:
        (tree / f"{name}.rej").unlink()
    return rejected


def _shown(reject: Path) -> str:
    text = reject.read_text(errors="replace") if reject.is_file() else f"{reject}: is missing\n"
    return text if len(text) <= _HINT_BYTES else f"{text[:_HINT_BYTES]}\n…\n"

"""Makes the stand-ins and a recipe that takes them, for trying out the recipe rh72: ``./run stand-ins``."""

import shutil
import sys
from pathlib import Path

from redhat.serving import NAMES
from redhat.sources import make_sources

RECIPE = """\
# Written by ./run stand-ins: the recipe rh72 with small stand-ins for what was published in 2002.
description: rh72 with stand-ins for the downloads
extends: rh72
kernel: {{toolchain: host}}  # the stand-in of Linux 2.4 is built by any compiler
sources:
{sources}"""


def main(folder: Path, recipe: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    folder.parent.mkdir(parents=True, exist_ok=True)
    make_sources(folder)
    lines = (
        # Under names of their own: the cache may hold the real ones.
        f"  {name}: {{urls: ['{(folder / file).resolve().as_uri()}'], file: stand-in-{file}}}\n"
        for name, file in NAMES.items()
    )
    recipe.write_text(RECIPE.format(sources="".join(lines)), encoding="utf-8")
    # What was pinned before were other stand-ins.
    recipe.with_suffix(".lock").unlink(missing_ok=True)
    print(f"made in {folder}; now: ./run recipe={recipe.stem} build-root")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))

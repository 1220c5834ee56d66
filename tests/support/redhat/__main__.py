"""Make the stand-ins and a recipe that uses them, to try out the recipe rh72: ``./run stand-ins``."""

import shutil
import sys
from pathlib import Path

from redhat.sources import NAMES, make_sources

RECIPE = """\
# Written by ./run stand-ins: the recipe rh72 with small stand-ins for what was published in 2002.
description: rh72 with stand-ins for the downloads
extends: rh72
kernel: {{toolchain: host}}  # any compiler can build the stand-in of Linux 2.4
sources:
{sources}"""


def main(folder: Path, recipe: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    folder.parent.mkdir(parents=True, exist_ok=True)
    make_sources(folder)
    lines = (
        # The name in the cache is another one, because the cache may hold the real download.
        f"  {name}: {{urls: ['{(folder / file).resolve().as_uri()}'], file: stand-in-{file}}}\n"
        for name, file in NAMES.items()
    )
    recipe.write_text(RECIPE.format(sources="".join(lines)), encoding="utf-8")
    # The lock file pins earlier stand-ins.
    recipe.with_suffix(".lock").unlink(missing_ok=True)
    print(f"the stand-ins are in {folder}; run ./run recipe={recipe.stem} build-root")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))

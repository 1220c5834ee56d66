"""What README and docs/ tell a reader to type, typed. Every block is run, or a table says why it is not.

They are typed in a copy of the checkout, to the real ``./run``; the tests' cache spares the downloads.
"""

import re
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest
from checkouts import BUILD_LIMIT_S, copy_sources, share_environment
from document_blocks import SAVED, SESSION, SHOWN, TYPED, Block, Shell, blocks_of, lines_missing
from project import PROJECT

from ssiuml.recipe.load import load_recipe

DOCUMENTS: Final = (
    "README.md",
    "CONTRIBUTING.md",
    *sorted(f"docs/{path.name}" for path in (PROJECT / "docs").glob("*.md")),
    "cluster-tools/README.md",
)
BLOCKS: Final = {block.name: block for document in DOCUMENTS for block in blocks_of(PROJECT, document)}
QUICK_START: Final = "README.md: ./run build-root"

# Everything that is typed is run by ./run test-long, but for these, with the reason.
NEVER: Final = {
    "CONTRIBUTING.md: ./run lint": "the project's own tests, of which this one is a part",
    "docs/rh72.md: ./run recipe=rh72 build-root": "needs the files of 2002, which mirrors have lost",
}
TYPED_BLOCKS: Final = [block for block in BLOCKS.values() if block.language in (TYPED, SESSION)]


@pytest.fixture(scope="module")
def checkout(kept_cache: Path) -> Iterator[Shell]:
    """What a reader has who has typed the quick start, and has saved the files that the documents show."""
    # Sockets have short names: pytest's folders are too deep.
    home = Path(tempfile.mkdtemp(prefix="ssi."))
    folder = home / "ssiuml"
    folder.mkdir()
    copy_sources(folder)
    for name in ("run", "tests", "docs"):
        copy = shutil.copytree if (PROJECT / name).is_dir() else shutil.copy2
        copy(PROJECT / name, folder / name)
    share_environment(folder)
    environ = {
        "PYTHONPATH": str(folder),  # the environment's programs take the package of the copy
        "SSIUML_CACHE": str(kept_cache),
        "XDG_STATE_HOME": str(home / "state"),
        "DISPLAY": "",
    }
    shell = Shell(folder, environ, BUILD_LIMIT_S)
    for block in BLOCKS.values():
        if block.file is not None and block.language in SAVED:
            (folder / block.file).write_text(block.text)
    try:
        shell.type(BLOCKS[QUICK_START].text)
        yield shell
    finally:
        shell.type("./run ssi-stop --limit 5 || true")  # what a session that failed has left running
        shutil.rmtree(home)


def test_every_block_says_what_it_is() -> None:
    for block in BLOCKS.values():
        assert block.language in {TYPED, SESSION, *SHOWN, *SAVED}, block
        assert (block.language in SAVED) == (block.file is not None and block.language != TYPED), block


def test_no_two_blocks_of_a_document_begin_alike() -> None:
    assert len(BLOCKS) == sum(len(blocks_of(PROJECT, document)) for document in DOCUMENTS)


def test_the_table_names_blocks_that_exist() -> None:
    assert set(NEVER) <= {block.name for block in TYPED_BLOCKS}


def test_the_lines_that_a_session_shows_are_told_apart() -> None:
    said = "root copied, 12.5 KiB in 3 s\nnode 2: in the cluster of nodes 1 2 3 (0.1 s)\n"
    shown = ["root copied, 881.4 MiB in 1.2 s", "…", "node 1: in the cluster of nodes 1 2 3 (9.2 s)"]
    assert lines_missing(shown, said) == []
    assert lines_missing(["node 1: ready (2.0 s)", "…"], said) == ["node 1: ready (2.0 s)"]
    assert lines_missing(["node 2: in the cluster of nodes 1 2 (9.2 s)"], said) != []


@pytest.mark.docs
@pytest.mark.long
@pytest.mark.parametrize(
    "block", [block for block in TYPED_BLOCKS if block.name not in NEVER], ids=lambda block: block.name
)
def test_what_a_reader_types_works(checkout: Shell, block: Block) -> None:
    if block.name == QUICK_START:
        assert (checkout.folder / "images" / "trixie" / "manifest.json").exists()
    elif block.language == SESSION:
        checkout.play(block.text)
    else:
        checkout.type(block.text)


@pytest.mark.parametrize(
    "block", [block for block in BLOCKS.values() if block.language == "yaml"], ids=lambda block: block.name
)
@pytest.mark.docs
def test_a_recipe_that_is_shown_is_one(tmp_path: Path, block: Block) -> None:
    assert block.file is not None
    for name in ("recipes", "kernel", "cluster-tools"):
        shutil.copytree(PROJECT / name, tmp_path / name)
    (tmp_path / block.file).write_text(block.text)
    assert load_recipe(Path(block.file).stem, tmp_path / "recipes").recipe.description in block.text


@pytest.mark.parametrize("document", DOCUMENTS)
def test_links_lead_somewhere(document: str) -> None:
    text = (PROJECT / document).read_text()
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if not target.startswith("http"):
            path, _, heading = target.partition("#")
            linked = (PROJECT / document).parent / path if path else PROJECT / document
            assert linked.exists(), target
            headings = re.findall(r"^#+ (.+)$", linked.read_text(), re.MULTILINE) if heading else []
            assert not heading or heading in [each.lower().replace(" ", "-") for each in headings], target


def test_the_readme_is_short() -> None:
    assert len((PROJECT / "README.md").read_text().splitlines()) <= 220

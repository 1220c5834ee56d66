"""The manual pages. mandoc, groff and man-db's lexgrog judge and print them."""

import argparse
import subprocess
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from project import PROJECT

from ssiuml.cli.registry import COMMANDS, load_parser
from ssiuml.documents.facts import FACTS
from ssiuml.documents.manual import write_man_pages
from ssiuml.documents.roff import Page, escaped

EPOCH = 1700000000
LIMIT_S = 60.0
HEADINGS = ["NAME", "SYNOPSIS", "DESCRIPTION", "OPTIONS", "EXIT STATUS", "EXAMPLES", "SEE ALSO"]


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The pages' files by name."""
    written = write_man_pages(tmp_path_factory.mktemp("man"), version="1.2.3", epoch=EPOCH)
    return {path.stem: path for path in written}


def said(*words: str | Path, stdin: str | None = None) -> str:
    done = subprocess.run(words, input=stdin, capture_output=True, text=True, check=False, timeout=LIMIT_S)
    assert (done.returncode, done.stderr) == (0, ""), done.stdout + done.stderr
    return done.stdout


def printed(page: Path) -> str:
    """What somebody reads, without the types."""
    return said("groff", "-ww", "-b", "-man", "-Tutf8", "-P-cbou", page)


@pytest.mark.parametrize("name", [*COMMANDS, "ssiuml", "ssiuml.conf"])
def test_mandoc_and_groff_find_nothing_to_complain_of(pages: dict[str, Path], name: str) -> None:
    assert said("mandoc", "-T", "lint", pages[name]) == ""
    assert printed(pages[name])


@pytest.mark.parametrize("name", [*COMMANDS, "ssiuml", "ssiuml.conf"])
def test_apropos_finds_the_page(pages: dict[str, Path], name: str) -> None:
    assert f'"{name} - ' in said("lexgrog", pages[name])


@pytest.mark.parametrize("name", COMMANDS)
def test_a_page_has_every_section_and_argument(pages: dict[str, Path], name: str) -> None:
    text = printed(pages[name])
    headings = [line for line in text.splitlines() if line.isupper() and line[0].isalpha()]
    assert [heading for heading in headings if heading in HEADINGS] == HEADINGS
    joined = " ".join(text.split())
    for action in actions(load_parser(name)):
        for word in (*action.option_strings, *([action.metavar] if isinstance(action.metavar, str) else [])):
            assert word in joined
        assert " ".join(str(action.help).split())[1:] in joined


def actions(parser: argparse.ArgumentParser) -> list[argparse.Action]:
    found = []
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            found += [each for sub in action.choices.values() for each in actions(sub)]
        elif action.nargs != argparse.SUPPRESS:
            found.append(action)
    return found


@pytest.mark.parametrize("name", COMMANDS)
def test_no_line_but_an_example_is_wider_than_a_terminal(pages: dict[str, Path], name: str) -> None:
    before_examples = printed(pages[name]).partition("\nEXAMPLES\n")[0]
    assert [line for line in before_examples.splitlines() if len(line) > 80] == []


def test_a_page_tells_version_and_date_and_nothing_of_the_build(pages: dict[str, Path]) -> None:
    text = pages["ssi-start"].read_text()
    assert '"ssiuml 1.2.3"' in text
    assert " 2023-11-14 " in text
    for page in pages.values():
        assert str(PROJECT) not in page.read_text()
        assert page.read_bytes().isascii()


def test_the_same_call_gives_the_same_bytes_wherever_it_is_made(
    pages: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "37")
    monkeypatch.setenv("TZ", "Pacific/Kiritimati")
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    time.tzset()
    try:
        again = write_man_pages(tmp_path, version="1.2.3", epoch=EPOCH)
    finally:
        monkeypatch.undo()
        time.tzset()
    assert {path.stem: path.read_bytes() for path in again} == {
        name: path.read_bytes() for name, path in pages.items()
    }


def test_every_page_lies_in_the_folder_of_its_section(pages: dict[str, Path]) -> None:
    for path in pages.values():
        assert path.parent.name == f"man{path.suffix[1:]}"
    assert {name: pages[name].suffix for name in COMMANDS} == {
        name: f".{facts.section}" for name, facts in FACTS.items()
    }


def test_every_page_that_is_referred_to_exists(pages: dict[str, Path]) -> None:
    for page in pages.values():
        names = printed(page).partition("\nSEE ALSO\n")[2].strip().splitlines()
        for reference in " ".join(names[:-1]).replace(",", " ").split():
            name, _, section = reference.rstrip(")").partition("(")
            assert pages[name].suffix == f".{section}"


@given(
    st.lists(
        st.text(st.characters(codec="utf-8", min_codepoint=33, max_codepoint=0x2FF), min_size=1, max_size=80),
        min_size=1,
    )
)
def test_any_words_are_printed_as_they_are(words: list[str]) -> None:
    words = [word for word in words if word.isprintable()] or ["none"]
    page = Page("odd", 1, version="1", epoch=0)
    page.heading("Words")
    for word in words:
        page.paragraph(f"x {escaped(word)}")
    text = said("mandoc", "-T", "utf8", "-O", "width=900", stdin=page.text()).replace("\b", "")
    for word in words:
        assert word in text

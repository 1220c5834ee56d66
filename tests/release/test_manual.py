"""The manual pages; mandoc, groff and man-db's lexgrog judge and print them."""

import argparse
import subprocess
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from project import PROJECT

from ssiuml.cluster.image_choice import CONFIGURATION_KEYS
from ssiuml.release.commands import commands, load_parser
from ssiuml.release.manual import literal, man_page, write_man_pages

TEMPLATES = PROJECT / "templates" / "release" / "manual"
EPOCH = 1700000000
LIMIT_S = 60.0
HEADINGS = ["NAME", "SYNOPSIS", "DESCRIPTION", "OPTIONS", "EXIT STATUS", "EXAMPLES", "SEE ALSO"]
PAGES = (*commands(), "ssiuml", "ssiuml.conf")


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The pages' files by name."""
    written = write_man_pages(tmp_path_factory.mktemp("man"), TEMPLATES, version="1.2.3", epoch=EPOCH)
    return {path.stem: path for path in written}


def output_of(*words: str | Path, stdin: str | None = None) -> str:
    """Return what a program prints; it must neither fail nor warn."""
    done = subprocess.run(words, input=stdin, capture_output=True, text=True, check=False, timeout=LIMIT_S)
    assert (done.returncode, done.stderr) == (0, ""), done.stdout + done.stderr
    return done.stdout


def printed(page: Path) -> str:
    """Return the page as a reader sees it, without bold and italics."""
    return output_of("groff", "-ww", "-b", "-man", "-Tutf8", "-P-cbou", page)


def test_every_command_and_its_configuration_file_have_a_page(pages: dict[str, Path]) -> None:
    assert pages.keys() == set(PAGES)


@pytest.mark.parametrize("name", PAGES)
def test_mandoc_and_groff_find_no_fault(pages: dict[str, Path], name: str) -> None:
    assert output_of("mandoc", "-T", "lint", pages[name]) == ""
    assert printed(pages[name])


@pytest.mark.parametrize("name", PAGES)
def test_apropos_finds_the_page(pages: dict[str, Path], name: str) -> None:
    assert f'"{name} - ' in output_of("lexgrog", pages[name])


@pytest.mark.parametrize("name", commands())
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


@pytest.mark.parametrize("name", commands())
def test_no_line_but_an_example_is_wider_than_a_terminal(pages: dict[str, Path], name: str) -> None:
    before_examples = printed(pages[name]).partition("\nEXAMPLES\n")[0]
    assert [line for line in before_examples.splitlines() if len(line) > 80] == []


def test_what_is_typed_can_be_copied_and_is_never_hyphenated(pages: dict[str, Path]) -> None:
    # A plain "-" prints as a hyphen, U+2010, where groff's macros are not Debian's.
    for page in pages.values():
        text = page.read_text()
        assert "-" not in text.partition("\n")[2].replace(r"\-", "")
        assert {".nr HY 0", ".nh"} <= set(text.splitlines())


def test_the_overview_lists_every_command_with_the_summary_of_its_page(pages: dict[str, Path]) -> None:
    listed = " ".join(printed(pages["ssiuml"]).split())
    for name in commands():
        summary = output_of("lexgrog", pages[name]).partition(" - ")[2].rpartition('"')[0]
        assert f" {name}({pages[name].suffix[1:]}) {summary[0].upper()}{summary[1:]}. " in listed


def test_the_page_of_the_configuration_file_has_every_key(pages: dict[str, Path]) -> None:
    lines = printed(pages["ssiuml.conf"]).splitlines()
    assert [
        line.split()[0] for line in lines if line.split()[:1] and line.split()[0] in CONFIGURATION_KEYS
    ] == [*CONFIGURATION_KEYS]


def test_a_page_has_version_and_date_and_nothing_of_the_build(pages: dict[str, Path]) -> None:
    (head, *_) = pages["ssi-start"].read_text().splitlines()
    assert '"ssiuml 1.2.3"' in head
    assert " 2023-11-14 " in head
    for page in pages.values():
        assert str(PROJECT) not in page.read_text()
        assert page.read_bytes().isascii()


def test_the_same_call_gives_the_same_bytes_wherever_it_is_made(
    pages: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "37")
    monkeypatch.setenv("TZ", "Pacific/Kiritimati")
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    monkeypatch.setenv("LC_ALL", "C")
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1")
    time.tzset()
    try:
        again = write_man_pages(tmp_path, TEMPLATES, version="1.2.3", epoch=EPOCH)
    finally:
        monkeypatch.undo()
        time.tzset()
    assert {path.stem: path.read_bytes() for path in again} == {
        name: path.read_bytes() for name, path in pages.items()
    }


def test_every_page_lies_in_the_folder_of_its_section(pages: dict[str, Path]) -> None:
    sections = {"ssiuml.conf": 5, "ssiuml": 7, "gfsconf": 8, "mkfs_gfs": 8, "passemble": 8, "ptool": 8}
    for name, path in pages.items():
        section = sections.get(name, 1)
        assert (path.parent.name, path.name) == (f"man{section}", f"{name}.{section}")


def test_every_page_that_another_refers_to_exists(pages: dict[str, Path]) -> None:
    for page in pages.values():
        names = printed(page).partition("\nSEE ALSO\n")[2].strip().splitlines()
        for reference in " ".join(names[:-1]).replace(",", " ").split():
            name, _, section = reference.rstrip(")").partition("(")
            assert pages[name].suffix == f".{section}"


@settings(max_examples=20, deadline=None)  # pandoc runs once for each; there are many words in one
@given(
    st.lists(
        st.text(st.characters(codec="utf-8", min_codepoint=33, max_codepoint=0x2FF), min_size=1, max_size=80),
        min_size=40,
    )
)
def test_any_words_are_printed_as_they_are(words: list[str]) -> None:
    words = [word for word in words if word.isprintable()] or ["none"]
    text = "".join(f"x {literal(word)}\n\n" for word in words)
    frame = {"title": "ODD", "section": "1", "date": "1970-01-01", "version": "1"}
    page = man_page(f"# WORDS\n\n{text}", TEMPLATES, frame)
    shown = output_of("mandoc", "-T", "utf8", "-O", "width=900", stdin=page).replace("\b", "")
    for word in words:
        assert word in shown

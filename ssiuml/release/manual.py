"""The manual pages: Markdown from templates/release/manual and the commands' parsers, made man(7) by pandoc.

Each template NAME.SECTION.md.j2 is a page. The page of a command takes its summary from the docstring of the
command's module, and synopsis, description, options and examples from its parser. page.man is the frame of
every page, page.lua corrects pandoc's man writer.

Other programs do not pass the tests. scdoc 1.11.2 keeps letters that are not ASCII, which groff misreads,
turns an escaped ``.TH`` into a request, and mandoc's lint warns of each of its headings. argparse-manpage
knows no exit status, files or environment, and takes today's date.
"""

import argparse
import re
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from ssiuml.host.files import write_text
from ssiuml.host.run import run
from ssiuml.host.templates import render
from ssiuml.release.commands import commands, load_parser, summary_of

LIMIT_S: Final = 60.0
_PAGE: Final = re.compile(r"(.+)\.([1-9])\.md\.j2")
# ASCII's punctuation, which a backslash makes literal. Source: CommonMark 0.30, 2.4.
_PUNCTUATION: Final = r"[!-/:-@\[-`{-~]"
_OPTION: Final = r"--?[A-Za-z][\w-]*"
_SYNTAX: Final = re.compile(rf"(?P<typed>{_OPTION}|[a-z][\w.-]*)|(?P<value>[A-Z][\w.]*)|{_PUNCTUATION}")
_EXAMPLES: Final = "examples:\n"  # the heading in a parser's epilog

Definition = tuple[str, str]  # a term and its text


def write_man_pages(folder: Path, templates: Path, *, version: str, epoch: int) -> list[Path]:
    """Write ``man1/ssi-start.1`` and its like into *folder*; return the files.

    *version* stands at the foot of the pages. *epoch* is their date, in seconds since 1970. The same
    arguments give the same bytes with the same pandoc. Raise CommandError if pandoc fails.
    """
    date = time.strftime("%Y-%m-%d", time.gmtime(epoch))
    pages = [match for path in sorted(templates.iterdir()) if (match := _PAGE.fullmatch(path.name))]
    listed = [_entry(*page.groups()) for page in pages if page[1] in commands()]
    written = []
    for page in pages:
        name, section = page.groups()
        command = _command(name) if name in commands() else {}
        text = render(templates, page.string, {"name": name, "commands": listed, **command})
        path = folder / f"man{section}" / f"{name}.{section}"
        frame = {"title": name.upper(), "section": section, "date": date, "version": version}
        write_text(path, man_page(text, templates, frame))
        written.append(path)
    return written


def man_page(text: str, templates: Path, frame: Mapping[str, str]) -> str:
    """Return *text*, CommonMark with definition lists, in man(7)'s macros and ASCII.

    *frame* has the variables of page.man.
    """
    words = ["pandoc", "--from=commonmark+definition_lists", "--to=man"]
    words += [f"--template={templates / 'page.man'}", f"--lua-filter={templates / 'page.lua'}"]
    words += [f"--variable={name}={value}" for name, value in frame.items()]
    return run(words, timeout_s=LIMIT_S, stdin=text.encode(), merge_stderr=False)


def literal(text: str) -> str:
    """Return Markdown that shows *text* unchanged."""
    return re.sub(_PUNCTUATION, r"\\\g<0>", text)


def _entry(name: str, section: str) -> dict[str, Any]:
    """Return what ssiuml(7) lists of a command; ``cluster`` if it works on a running cluster."""
    is_for_cluster = any("--cluster" in action.option_strings for action in load_parser(name)._actions)
    return {"name": name, "section": section, "summary": summary_of(name), "cluster": is_for_cluster}


def _command(name: str) -> dict[str, Any]:
    """Return the variables of command.md.j2, in Markdown."""
    parser = load_parser(name)
    subcommands = _subcommands(parser)
    parsers = list(subcommands.values()) or [parser]
    shared = [each for each in _definitions(parsers[0]) if all(each in _definitions(one) for one in parsers)]
    return {
        "summary": summary_of(name),
        "synopsis": [
            _syntax(" ".join(each.format_usage().split()).removeprefix("usage: ")) for each in parsers
        ],
        "description": _prose(parser.description or "", parser),
        "subcommands": [
            {
                "name": name,
                "description": _prose(_sentence(each.description or ""), each),
                "arguments": [one for one in _definitions(each) if one not in shared],
            }
            for name, each in subcommands.items()
        ],
        "arguments": shared,
        "examples": _examples(parser.epilog or ""),
    }


def _subcommands(parser: argparse.ArgumentParser) -> dict[str, argparse.ArgumentParser]:
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            return dict(action.choices)
    return {}


def _definitions(parser: argparse.ArgumentParser) -> list[Definition]:
    """Return positional arguments, then options in the order of --help, each with its help."""
    found = []
    for action in sorted(parser._actions, key=lambda action: bool(action.option_strings)):
        names, value = ", ".join(action.option_strings), "" if action.nargs == 0 else _value(action)
        told = parser._get_formatter()._expand_help(action)
        found.append((_syntax(f"{names} {value}".strip()), _prose(_sentence(told), parser)))
    return found


def _value(action: argparse.Action) -> str:
    """Return the placeholder or the choices of an argument, such as NAME=FILE or gfs1|gfs2."""
    if action.choices is not None:
        return "|".join(action.choices)
    return action.metavar if isinstance(action.metavar, str) else action.dest.upper()


def _examples(epilog: str) -> list[Definition]:
    """Return the command lines of --help; behind two blanks or more a line says what it does."""
    lines = [line.strip().partition("  ") for line in epilog.removeprefix(_EXAMPLES).splitlines()]
    return [(f"**{literal(typed)}**", literal(_sentence(told)) if told else "") for typed, _, told in lines]


def _sentence(text: str) -> str:
    """Return a fragment, as --help has them, with a capital and a full stop."""
    text = " ".join(text.split())
    return f"{text[:1].upper()}{text[1:]}{'' if text.endswith('.') else '.'}"


def _syntax(text: str) -> str:
    """Return a command line or an argument: words that are typed in bold, placeholders in italics."""

    def marked(match: re.Match[str]) -> str:
        mark = "**" if match["typed"] else "*" if match["value"] else ""
        return f"{mark}{literal(match[0])}{mark}"

    choices = re.sub(r"\{([^}]*)\}", lambda match: match[1].replace(",", "|"), text)
    return _SYNTAX.sub(marked, choices)


def _prose(text: str, parser: argparse.ArgumentParser) -> str:
    """Return running text: options, commands and pages in bold, the parser's placeholders in italics."""
    placeholders = {word for action in parser._actions for word in re.findall(r"[A-Z][\w.]*", _value(action))}
    names = sorted({*commands(), "ssiuml", "ssiuml.conf", *placeholders}, key=len, reverse=True)

    def marked(match: re.Match[str]) -> str:
        mark = "*" if match[0] in placeholders else "**" if match["word"] else ""
        return f"{mark}{literal(match[0])}{mark}"

    words = "|".join([*map(re.escape, names), _OPTION])
    pattern = rf"(?P<word>(?<![\w/.-])(?:{words})(?![\w-]))|{_PUNCTUATION}"
    return re.sub(pattern, marked, " ".join(text.split()))

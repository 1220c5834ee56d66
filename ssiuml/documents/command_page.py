"""The manual page of a command, from its parser and what is told of it besides."""

import argparse
import re
from collections.abc import Iterable, Mapping
from typing import Final

from ssiuml.cli.registry import COMMANDS
from ssiuml.documents.facts import FACTS, FORMATS, OVERVIEWS, STATUS, Terms
from ssiuml.documents.roff import Marker, Page, bold, escaped, italic, sentence

EXAMPLES: Final = "examples:\n"
OTHER_PAGES: Final[Mapping[str, int]] = {"ssiuml": OVERVIEWS, "ssiuml.conf": FORMATS}
_USAGE: Final = re.compile(r"(?P<choices>\{[^}]*\})|(?P<option>--?[A-Za-z][\w-]*)|(?P<word>[A-Za-z][\w.]*)")


def command_page(name: str, parser: argparse.ArgumentParser, *, version: str, epoch: int) -> str:
    """The page of the command *name* as roff; *epoch* is its date in seconds since 1970."""
    facts = FACTS[name]
    page = Page(name, facts.section, version=version, epoch=epoch)
    mark = marker(parser)
    page.heading("Name")
    page.line(rf"{escaped(name)} \- {escaped(facts.summary)}")
    page.heading("Synopsis")
    subcommands = _subcommands(parser)
    for each in subcommands.values() or [parser]:
        page.synopsis(each.prog, synopsis(each))
    page.heading("Description")
    page.paragraph(mark(parser.description or ""))
    if subcommands:
        page.heading("Commands")
        for sub_name, sub in subcommands.items():
            page.subheading(sub_name)
            page.paragraph(marker(sub)(sentence(sub.description or "")))
            _arguments(page, sub, [action for action in _actions(sub) if not _is_in_all(action, subcommands)])
    page.heading("Options")
    one = next(iter(subcommands.values()), parser)
    _arguments(page, one, [action for action in _actions(one) if _is_in_all(action, subcommands)])
    page.heading("Exit status")
    _terms(page, {**STATUS, **facts.status}, mark)
    for title, terms in (("Environment", facts.environment), ("Files", facts.files)):
        page.heading(title)
        _terms(page, terms, mark)
    examples = (parser.epilog or "").removeprefix(EXAMPLES)
    page.heading("Examples")
    page.examples(examples.splitlines())
    page.heading("See also")
    page.paragraph(references(*facts.see_also, "ssiuml"))
    return page.text()


def references(*names: str) -> str:
    """Other pages' names with their sections, in roff."""
    return ", ".join(rf"{bold(name)}({section_of(name)})" for name in names)


def section_of(name: str) -> int:
    return OTHER_PAGES[name] if name in OTHER_PAGES else FACTS[name].section


def marker(parser: argparse.ArgumentParser) -> Marker:
    """Marks the commands' names and the parser's own placeholders."""
    names = [part for action in parser._actions for part in re.split(r"[^\w.]+", _metavar(action))]
    placeholders = [name for name in names if name.isupper()]
    return Marker([*COMMANDS, *OTHER_PAGES], placeholders)


def synopsis(parser: argparse.ArgumentParser) -> str:
    """The usage line behind the command's name, in roff: options bold, placeholders italic."""
    usage = " ".join(parser.format_usage().split()).removeprefix(f"usage: {parser.prog} ")
    parts = []
    end = 0
    for match in _USAGE.finditer(usage):
        parts.append(escaped(usage[end : match.start()]))
        if match["choices"]:
            parts.append(_choices(match["choices"][1:-1].split(",")))
        else:
            # A word in small letters is typed as it stands.
            is_typed = match["option"] or match[0].islower()
            parts.append(bold(match[0]) if is_typed else italic(match[0]))
        end = match.end()
    return "".join([*parts, escaped(usage[end:])])


def _choices(choices: list[str]) -> str:
    return "|".join(map(bold, choices))


def _subcommands(parser: argparse.ArgumentParser) -> dict[str, argparse.ArgumentParser]:
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            return dict(action.choices)
    return {}


def _is_in_all(action: argparse.Action, subcommands: Mapping[str, argparse.ArgumentParser]) -> bool:
    """Whether every subcommand has this argument with the same meaning; so where there are none."""
    mine = (_term(action), action.help)
    return all(
        mine in [(_term(other), other.help) for other in _actions(sub)] for sub in subcommands.values()
    )


def _arguments(page: Page, parser: argparse.ArgumentParser, actions: Iterable[argparse.Action]) -> None:
    mark = marker(parser)
    for action in actions:
        page.term(_term(action), mark(sentence(parser._get_formatter()._expand_help(action))))


def _actions(parser: argparse.ArgumentParser) -> list[argparse.Action]:
    """Positional arguments first, then the options in the order in which --help has them."""
    return sorted(parser._actions, key=lambda action: bool(action.option_strings))


def _term(action: argparse.Action) -> str:
    """What is typed for an argument: the option's names, and the placeholder of its value."""
    value = "" if action.nargs == 0 else _value(action)
    if not action.option_strings:
        return value
    names = ", ".join(map(bold, action.option_strings))
    return f"{names} {value}" if value else names


def _value(action: argparse.Action) -> str:
    if action.choices is not None:
        return _choices(list(action.choices))
    parts = re.split(r"([^\w.]+)", _metavar(action))
    return "".join(
        bold(part) if part.islower() else italic(part) if part[:1].isalpha() else escaped(part)
        for part in parts
    )


def _metavar(action: argparse.Action) -> str:
    return action.metavar if isinstance(action.metavar, str) else action.dest.upper()


def _terms(page: Page, terms: Terms, mark: Marker) -> None:
    for name, text in terms.items():
        page.term(bold(name), mark(text))

"""What is wrong with a recipe. Validators raise it without knowing files; the loader adds file and line."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from pydantic_core import PydanticCustomError

KeyPath = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class Problem:
    """One fault. *path* leads to it, *message* has the value and what was expected, *hint* the way out."""

    path: KeyPath
    message: str
    hint: str | None = None


def wrong(message: str, hint: str | None = None) -> PydanticCustomError:
    """Return the error that a validator raises about the value it was given."""
    return all_wrong([Problem((), message, hint)])


def all_wrong(problems: Iterable[Problem]) -> PydanticCustomError:
    """Return the error that a validator raises for *problems*, whose paths begin at its own value."""
    found = tuple(problems)
    text = "; ".join(problem.message for problem in found)
    # The text is passed as a value, so that pydantic does not fill in braces in it.
    return PydanticCustomError("recipe", "{text}", {"text": text, "problems": found})


def repeated(items: Iterable[str]) -> Iterator[Problem]:
    """Yield a problem for every item that an earlier one equals."""
    first: dict[str, int] = {}
    for index, item in enumerate(items):
        if item in first:
            message = f"'{item}' is listed twice, it is item {first[item] + 1} already"
            yield Problem((index,), message, "remove one of them")
        first.setdefault(item, index)


def dotted(path: KeyPath) -> str:
    """Return *path* as text: `files[0].mode`."""
    text = ""
    for key in path:
        text += f"[{key}]" if isinstance(key, int) else f".{key}" if text else key
    return text


def labelled(path: KeyPath, message: str) -> str:
    """Return *message*, after the key that it is about unless *path* is empty."""
    return f"{dotted(path)}: {message}" if path else message

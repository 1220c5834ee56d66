"""Messages on the control line between a node's initrd and the supervisor (cluster-tools/README.md).

They are ASCII lines with one space between fields. Pure: bytes in, messages out.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

LINE_LIMIT_BYTES: Final = 4096
_NUMBER: Final = re.compile(r"[1-9][0-9]{0,2}")
_TOKEN: Final = re.compile(r"[!-~]{1,64}")


@dataclass(frozen=True, slots=True)
class Message:
    """A message of a node. ``word`` decides which fields are set."""

    word: str
    node: int = 0  # hello, fence
    members: tuple[int, ...] = ()  # members, mount, fence
    token: str = ""  # pong, fence
    text: str = ""  # failed


class ControlError(ValueError):
    """A line is not a message."""


def parse_message(line: bytes) -> Message:
    """Read one line without its newline. Raise ControlError if it is not a message of a node."""
    try:
        word, *fields = line.rstrip(b"\r").decode("ascii").split(" ")
    except UnicodeDecodeError:
        raise ControlError("not ASCII") from None
    if word == "failed":
        return Message(word, text=" ".join(fields))
    reader = _READERS.get(word)
    if reader is None:
        raise ControlError("unknown word")
    return reader(word, fields)


def _plain(word: str, fields: list[str]) -> Message:
    if fields:
        raise ControlError("fields after a word that takes none")
    return Message(word)


def _hello(word: str, fields: list[str]) -> Message:
    (node,) = _numbers(fields, exactly=1)
    return Message(word, node=node)


def _members(word: str, fields: list[str]) -> Message:
    return Message(word, members=_numbers(fields))


def _fence(word: str, fields: list[str]) -> Message:
    if len(fields) < 2:
        raise ControlError("too few fields")
    node, *members = _numbers(fields[1:])
    return Message(word, token=_token(fields[0]), node=node, members=tuple(members))


def _pong(word: str, fields: list[str]) -> Message:
    if len(fields) != 1:
        raise ControlError("not exactly 1 field")
    return Message(word, token=_token(fields[0]))


def _numbers(fields: list[str], exactly: int | None = None) -> tuple[int, ...]:
    if exactly is not None and len(fields) != exactly:
        raise ControlError(f"not exactly {exactly} field")
    if not all(_NUMBER.fullmatch(field) for field in fields):
        raise ControlError("a field is not a node number")
    return tuple(int(field) for field in fields)


def _token(text: str) -> str:
    if not _TOKEN.fullmatch(text):
        raise ControlError("not a token")
    return text


_READERS: Final[dict[str, Callable[[str, list[str]], Message]]] = {
    "hello": _hello,
    "join": _plain,
    "leave": _plain,
    "members": _members,
    "mount": _members,
    "mounted": _plain,
    "ready": _plain,
    "fence": _fence,
    "pong": _pong,
    "leaving": _plain,
    "unmounted": _plain,
    "left": _plain,
}


class LineBuffer:
    """Cuts a stream into lines. A line over the limit is dropped: a broken node must not fill our memory."""

    def __init__(self) -> None:
        self._rest = b""
        self._skipping = False

    def feed(self, data: bytes) -> list[bytes]:
        """Take bytes of the stream. Return the lines that they complete, without newlines."""
        *lines, rest = (self._rest + data).split(b"\n")
        if self._skipping and lines:
            lines = lines[1:]
            self._skipping = False
        if self._skipping or len(rest) > LINE_LIMIT_BYTES:
            rest = b""
            self._skipping = True
        self._rest = rest
        return [line for line in lines if len(line) <= LINE_LIMIT_BYTES]


# Messages of the supervisor.
GO: Final = b"go\n"
WAIT: Final = b"wait\n"
POWEROFF: Final = b"poweroff\n"


def ping(token: str) -> bytes:
    """Return the message that asks a node for ``pong`` with the same token."""
    return f"ping {token}\n".encode("ascii")


def fenced(token: str, *, is_dead: bool) -> bytes:
    """Return the answer to ``fence`` with the same token."""
    return f"fenced {token} {'ok' if is_dead else 'failed'}\n".encode("ascii")

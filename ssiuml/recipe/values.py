"""The kinds of single values in a recipe, each with its rule and the hint for values that break it."""

import re
from collections.abc import Callable
from datetime import datetime
from functools import partial
from ipaddress import IPv4Address, IPv4Network
from pathlib import PurePosixPath
from typing import Annotated, Any, Final, TypeVar
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, PlainSerializer

from ssiuml.errors import UsageError
from ssiuml.recipe.problems import all_wrong, repeated, wrong
from ssiuml.units import format_size, parse_size


def within(low: int, high: int, hint: str, show: Callable[[int], str] = str) -> AfterValidator:
    """Return a validator for numbers from *low* to *high*; *show* writes them for people."""

    def check(value: int) -> int:
        if not low <= value <= high:
            raise wrong(f"{show(value)} is outside {show(low)} to {show(high)}", hint)
        return value

    return AfterValidator(check)


def matching(pattern: str, what: str, hint: str) -> AfterValidator:
    """Return a validator for text that must match *pattern* from end to end."""
    compiled = re.compile(pattern)

    def check(text: str) -> str:
        if not compiled.fullmatch(text):
            raise wrong(f"{text!r} is not {what}", hint)
        return text

    return AfterValidator(check)


_Item = TypeVar("_Item")


def _distinct(items: tuple[str, ...]) -> tuple[str, ...]:
    if problems := list(repeated(items)):
        raise all_wrong(problems)
    return items


_as_tuple: Final = BeforeValidator(lambda value: tuple(value) if isinstance(value, list) else value)
ListOf = Annotated[tuple[_Item, ...], _as_tuple]
DistinctListOf = Annotated[tuple[_Item, ...], _as_tuple, AfterValidator(_distinct)]


# Text, numbers, times


def _one_line(text: str) -> str:
    if not text.strip() or len(text.splitlines()) != 1:
        raise wrong(f"{text!r} is not one line of text", "say in one line what the image is for")
    return text


def _size(value: Any) -> int:
    try:
        if isinstance(value, str | int):
            return parse_size(value)
        raise UsageError("this is not a size", hint="write a number and a unit, such as 512, 32 MiB or 2 GiB")
    except UsageError as error:
        raise wrong(error.message, error.hint) from None


def _timestamp(text: str) -> str:
    try:
        if re.fullmatch(r"\d{8}T\d{6}Z", text):
            datetime.strptime(text, "%Y%m%dT%H%M%SZ")
            return text
    except ValueError:
        pass
    raise wrong(f"{text!r} is not a time", 'write "YYYYMMDDThhmmssZ", such as "20260101T000000Z"')


def _password_hash(text: str) -> str:
    # The message does not show the value: it may be a password that was not hashed.
    if not re.fullmatch(r"\$[0-9a-z]+\$[A-Za-z0-9./$=,]+|[!*]", text):
        raise wrong("this is not a password hash", 'make one with: openssl passwd -6 (or write "!" for none)')
    return text


Description = Annotated[str, AfterValidator(_one_line)]
Size = Annotated[
    int,
    BeforeValidator(_size),
    PlainSerializer(partial(format_size, exact=True), return_type=str, when_used="json"),
]
Timestamp = Annotated[str, AfterValidator(_timestamp)]
PasswordHash = Annotated[str, AfterValidator(_password_hash)]
Word = Annotated[str, matching(r"[!-~]+", "one word", "write it without spaces")]
Sha256 = Annotated[str, matching(r"[0-9a-f]{64}", "a SHA-256", "write 64 digits, as sha256sum prints them")]
OctalMode = Annotated[
    str,
    matching(r"0?[0-7]{3,4}", "an octal mode", 'write three or four digits 0-7, such as "0644" or "4755"'),
]

# Networks


def _network(value: Any) -> IPv4Network:
    if isinstance(value, IPv4Network):
        return value
    try:
        network = IPv4Network(value, strict=False) if isinstance(value, str) else None
    except ValueError:
        network = None
    if network is None or not isinstance(value, str) or "/" not in value:
        raise wrong(f"{value!r} is not an IPv4 network", "write address/length, such as 192.168.50.0/24")
    if not value.startswith(f"{network.network_address}/"):
        raise wrong(f"{value!r} is the address of a host, not of a network", f"write {network}")
    return network


def _address(value: Any) -> IPv4Address:
    try:
        if isinstance(value, str | IPv4Address):
            return IPv4Address(value)
    except ValueError:
        pass
    raise wrong(f"{value!r} is not an IPv4 address", "write it like 192.168.50.101")


def _url(text: str) -> str:
    try:
        urlsplit(text)
    except ValueError as error:
        raise wrong(f"{text!r} is no address: {error}", "write an address such as http://host/file") from None
    return text


_as_text: Final = PlainSerializer(str, return_type=str, when_used="json")
Network = Annotated[IPv4Network, BeforeValidator(_network), _as_text]
Address = Annotated[IPv4Address, BeforeValidator(_address), _as_text]
Url = Annotated[
    str,
    AfterValidator(_url),
    matching(
        r"(https?|file)://[!-~]+",
        "the address of a mirror",
        "write an address such as http://deb.debian.org/debian",
    ),
]

# Files of the host and of the image


def _image_path(text: str) -> str:
    hint = "write the path from the image's root, with no '.', '..' or '//' in it, such as /etc/motd"
    if not text.startswith("/") or text.startswith("//") or text == "/" or not text.isprintable():
        raise wrong(f"{text!r} is not an absolute path of a file", hint)
    if str(PurePosixPath(text)) != text or ".." in text.split("/"):
        raise wrong(f"{text!r} is not a normalised path", hint)
    return text


def _relative_path(text: str) -> str:
    if not text or text.startswith(("/", "~")) or not text.isprintable():
        raise wrong(f"{text!r} is not a relative path", "write the path from the folder of the recipe")
    return text


def _program_path(text: str) -> str:
    if not text.startswith("/") or not text.isprintable() or ".." in text.split("/"):
        raise wrong(
            f"{text!r} is not the absolute path of a program", "write it like /opt/opengfs/sbin/mkfs_gfs"
        )
    return text


def _host_path(text: str) -> str:
    if not text or text.startswith("~") or not text.isprintable():
        raise wrong(f"{text!r} is not a path", "write it from the folder of the recipe, or from /")
    return text


_FILE_NAME: Final = r"[A-Za-z0-9_][A-Za-z0-9._+~-]{0,199}"


def is_file_name(text: str) -> bool:
    """Return whether *text* can be the name of a file among the downloads."""
    return re.fullmatch(_FILE_NAME, text) is not None


FileName = Annotated[
    str,
    matching(_FILE_NAME, "the name of a file", "use letters, digits, '.', '_', '+', '~' and '-'"),
]
ImagePath = Annotated[str, AfterValidator(_image_path)]
RelativePath = Annotated[str, AfterValidator(_relative_path)]
HostPath = Annotated[str, AfterValidator(_host_path)]
ProgramPath = Annotated[str, AfterValidator(_program_path)]
ReleaseName = Annotated[
    str,
    matching(
        r"[a-z0-9][A-Za-z0-9._-]*",
        "the name of a release",
        "use letters, digits, '.', '_' and '-', and begin with a-z or 0-9: it begins a file name",
    ),
]

# Distributions, packages and kernel modules


def _package(text: str) -> str:
    if not re.fullmatch(r"[a-z0-9][a-z0-9+.-]+", text):
        raise wrong(
            f"{text!r} is not the name of a Debian package",
            "write two or more of a-z, 0-9, '+', '-' and '.', and begin with a letter or digit",
        )
    if text.endswith("-"):
        raise wrong(f"{text!r} ends in '-', which apt takes as a wish to remove it", f"write {text[:-1]}")
    return text


def _service(text: str) -> str:
    if match := re.fullmatch(r"[SK]\d\d(.+)", text):
        raise wrong(f"{text!r} has the order in its name", f"write only the name of the service: {match[1]}")
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]*", text):
        raise wrong(f"{text!r} is not the name of a service", "write it as in /etc/init.d, such as ssh")
    return text


PackageName = Annotated[str, AfterValidator(_package)]
PackageVersion = Annotated[
    str,
    matching(
        r"[0-9][A-Za-z0-9.+~:-]*",
        "the version of a Debian package",
        "write it as `apt-cache policy` shows it",
    ),
]
ServiceName = Annotated[str, AfterValidator(_service)]
ModuleName = Annotated[
    str,
    matching(r"[A-Za-z0-9_-]+", "the name of a kernel module", "write it as modprobe takes it, such as gfs2"),
]
DistributionName = Annotated[
    str, matching(r"[a-z][a-z0-9]*", "the name of a distribution", "write a word such as redhat")
]
Suite = Annotated[
    str, matching(r"[a-z][a-z0-9-]*", "the name of a suite", "write a code name such as trixie")
]
Component = Annotated[
    str, matching(r"[a-z][a-z0-9-]*", "the name of a component", "write main, contrib, non-free or the like")
]

# Names of other parts of recipes


class NamesSource:
    """Marks a key whose value names one of the recipe's sources."""


SourceName = Annotated[
    str,
    matching(r"[a-z][a-z0-9_-]*", "the name of a source", "write a word of a-z, 0-9, '_' and '-'"),
    NamesSource(),
]
RecipeName = Annotated[
    str,
    matching(r"[a-z0-9][a-z0-9._-]*", "the name of a recipe", "write it without .yaml, such as trixie"),
]

"""The kinds of single values in a recipe, each with its rule and what to tell who breaks it."""

import re
from collections.abc import Callable
from datetime import datetime
from functools import partial
from ipaddress import IPv4Address, IPv4Network
from pathlib import PurePosixPath
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, Discriminator, PlainSerializer, Tag

from ssiuml.errors import UsageError
from ssiuml.recipe.problems import all_wrong, repeated, wrong
from ssiuml.units import format_size, parse_size

# What ssi-start gives to a node itself; a second one would take its place.
_OUR_PARAMETERS = ("ssi.", "mem=", "initrd=", "ubd0", "uml_dir=", "umid=", "con", "ssl", "eth0=")


def _matching(pattern: str, what: str, hint: str) -> AfterValidator:
    """Return a validator for text that must match *pattern* from end to end."""
    compiled = re.compile(pattern)

    def check(text: str) -> str:
        if not compiled.fullmatch(text):
            raise wrong(f"{text!r} is not {what}", hint)
        return text

    return AfterValidator(check)


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


def _timestamp(text: str) -> str:
    try:
        if re.fullmatch(r"\d{8}T\d{6}Z", text):
            datetime.strptime(text, "%Y%m%dT%H%M%SZ")
            return text
    except ValueError:
        pass
    raise wrong(f"{text!r} is not a time", 'write "YYYYMMDDThhmmssZ", such as "20260101T000000Z"')


def _image_path(text: str) -> str:
    hint = "write the path from the image's root, with no '.', '..' or '//' in it, such as /etc/motd"
    if not text.startswith("/") or text.startswith("//") or text == "/" or not text.isprintable():
        raise wrong(f"{text!r} is not an absolute path of a file", hint)
    if str(PurePosixPath(text)) != text or ".." in text.split("/"):
        raise wrong(f"{text!r} is not a normalised path", hint)
    return text


def _source_path(text: str) -> str:
    if not text or text.startswith(("/", "~")) or not text.isprintable():
        raise wrong(f"{text!r} is not a relative path", "write the path from the folder of the recipe")
    return text


def _absolute_path(text: str) -> str:
    if not text.startswith("/") or not text.isprintable() or ".." in text.split("/"):
        raise wrong(
            f"{text!r} is not the absolute path of a program", "write it like /opt/opengfs/sbin/mkfs_gfs"
        )
    return text


def _host_path(text: str) -> str:
    if not text or text.startswith("~") or not text.isprintable():
        raise wrong(f"{text!r} is not a path", "write it from the folder of the recipe, or from /")
    return text


def is_file_name(text: str) -> bool:
    """Whether *text* can be the name of a file among the downloads."""
    return re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9._+~-]{0,199}", text) is not None


def _file_name(text: str) -> str:
    if not is_file_name(text):
        raise wrong(f"{text!r} is not the name of a file", "use letters, digits, '.', '_', '+', '~' and '-'")
    return text


def _package(text: str) -> str:
    if not re.fullmatch(r"[a-z0-9][a-z0-9+.-]+", text):
        raise wrong(
            f"{text!r} is not the name of a Debian package",
            "a name has two or more of a-z, 0-9, '+', '-' and '.', and begins with a letter or digit",
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


def _module(text: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9_-]+", text):
        raise wrong(
            f"{text!r} is not the name of a kernel module", "write it as modprobe takes it, such as gfs2"
        )
    return text


def _parameter(text: str) -> str:
    if not re.fullmatch(r"[!-~]+", text):
        raise wrong(f"{text!r} is not a kernel parameter", "write NAME or NAME=VALUE, without spaces")
    if text.startswith(_OUR_PARAMETERS):
        raise wrong(f"{text!r} is set by the commands that start nodes", "leave it out")
    return text


def _modules(value: Any) -> Any:
    # `modules: gfs2` would otherwise be told twice, once for each of the two shapes that are allowed.
    if value == "all" or isinstance(value, tuple | list):
        return value
    raise wrong(
        f"{value!r} is neither all nor a list of modules", "write modules: all, or modules: [gfs2, dlm]"
    )


def _password_hash(text: str) -> str:
    # The value is not shown: it may well be the password that somebody meant to hash.
    if not re.fullmatch(r"\$[0-9a-z]+\$[A-Za-z0-9./$=,]+|[!*]", text):
        raise wrong("this is not a password hash", 'make one with: openssl passwd -6 ("!" is for none)')
    return text


def _without_repeats(items: tuple[str, ...]) -> tuple[str, ...]:
    if problems := list(repeated(items)):
        raise all_wrong(problems)
    return items


def within(low: int, high: int, why: str, show: Callable[[int], str] = str) -> AfterValidator:
    """Return a validator for numbers from *low* to *high*; *why* is told to those who leave that range."""

    def check(value: int) -> int:
        if not low <= value <= high:
            raise wrong(f"{show(value)} is outside {show(low)} to {show(high)}", why)
        return value

    return AfterValidator(check)


Description = Annotated[str, AfterValidator(_one_line)]
Size = Annotated[
    int,
    BeforeValidator(_size),
    PlainSerializer(partial(format_size, exact=True), return_type=str, when_used="json"),
]
Network = Annotated[
    IPv4Network,
    BeforeValidator(_network),
    PlainSerializer(str, return_type=str, when_used="json"),
]
Address = Annotated[
    IPv4Address,
    BeforeValidator(_address),
    PlainSerializer(str, return_type=str, when_used="json"),
]
Timestamp = Annotated[str, AfterValidator(_timestamp)]
AbsolutePath = Annotated[str, AfterValidator(_absolute_path)]
HostPath = Annotated[str, AfterValidator(_host_path)]
FileName = Annotated[str, AfterValidator(_file_name)]
ImagePath = Annotated[str, AfterValidator(_image_path)]
SourcePath = Annotated[str, AfterValidator(_source_path)]
PackageName = Annotated[str, AfterValidator(_package)]
ServiceName = Annotated[str, AfterValidator(_service)]
ModuleName = Annotated[str, AfterValidator(_module)]
KernelParameter = Annotated[str, AfterValidator(_parameter)]
PasswordHash = Annotated[str, AfterValidator(_password_hash)]


def _url(text: str) -> str:
    try:
        urlsplit(text)
    except ValueError as error:
        raise wrong(f"{text!r} is no address: {error}", "write an address such as http://host/file") from None
    return text


Url = Annotated[
    str,
    AfterValidator(_url),
    _matching(
        r"(https?|file)://[!-~]+",
        "the address of a mirror",
        "write an address such as http://deb.debian.org/debian",
    ),
]
DistributionName = Annotated[
    str, _matching(r"[a-z][a-z0-9]*", "the name of a distribution", "write a word such as redhat")
]
SourceName = Annotated[
    str,
    _matching(r"[a-z][a-z0-9_-]*", "the name of a source", "write a word of a-z, 0-9, '_' and '-'"),
]
RecipeName = Annotated[
    str,
    _matching(r"[a-z0-9][a-z0-9._-]*", "the name of a recipe", "write it without .yaml, such as bookworm"),
]
Sha256 = Annotated[str, _matching(r"[0-9a-f]{64}", "a SHA-256", "write 64 digits, as sha256sum prints them")]
# With /dev/pool/ in front it is a lock table, which has 63 bytes.
PoolName = Annotated[
    str,
    _matching(
        r"[A-Za-z0-9_.-]{1,53}",
        "the name of a pool",
        "write at most 53 letters, digits, '.', '_' and '-', such as pool0",
    ),
]
DeviceName = Annotated[
    str, _matching(r"/dev/[A-Za-z0-9_/-]+", "the name of a device", "write it like /dev/loop2")
]
KernelVersion = Annotated[
    str,
    _matching(r"[0-9]+(\.[0-9]+)+[A-Za-z0-9.+_-]*", "the version of a kernel", "write it like 2.4.16-21um"),
]
PackageVersion = Annotated[
    str,
    _matching(
        r"[0-9][A-Za-z0-9.+~:-]*",
        "the version of a Debian package",
        "write it as `apt-cache policy` shows it",
    ),
]
Word = Annotated[str, _matching(r"[!-~]+", "one word", "write it without spaces")]
Suite = Annotated[
    str, _matching(r"[a-z][a-z0-9-]*", "the name of a suite", "write a code name such as bookworm")
]
Component = Annotated[
    str, _matching(r"[a-z][a-z0-9-]*", "the name of a component", "write main, contrib, non-free or the like")
]
LockTable = Annotated[
    str,
    _matching(
        r"[A-Za-z0-9_-]{1,32}:[A-Za-z0-9_-]{1,30}",
        "a lock table",
        "write \"CLUSTER:FILESYSTEM\", at most 32 and 30 letters, digits, '_' and '-', such as \"ssi:root\"",
    ),
]
OctalMode = Annotated[
    str,
    _matching(r"0?[0-7]{3,4}", "an octal mode", 'write three or four digits 0-7, such as "0644" or "4755"'),
]
ReleaseName = Annotated[
    str,
    _matching(
        r"[a-z0-9][A-Za-z0-9._-]*",
        "the name of a release",
        "it begins a file name: use letters, digits, '.', '_' and '-', and begin with a-z or 0-9",
    ),
]
Packages = Annotated[tuple[PackageName, ...], AfterValidator(_without_repeats)]
Services = Annotated[tuple[ServiceName, ...], AfterValidator(_without_repeats)]
Modules = Annotated[tuple[ModuleName, ...], AfterValidator(_without_repeats)]
KernelParameters = Annotated[tuple[KernelParameter, ...], AfterValidator(_without_repeats)]
ImagePaths = Annotated[tuple[ImagePath, ...], AfterValidator(_without_repeats)]
Components = Annotated[tuple[Component, ...], AfterValidator(_without_repeats)]
# A tag says which of the two shapes is meant; the loader drops tags ("<…>") from the paths of errors.
ModuleChoice = Annotated[
    Annotated[Literal["all"], Tag("<all>")] | Annotated[Modules, Tag("<list>")],
    Discriminator(lambda value: "<all>" if isinstance(value, str) else "<list>"),
    BeforeValidator(_modules),
]

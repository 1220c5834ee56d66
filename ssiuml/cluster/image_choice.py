"""Chooses the image of a cluster, by the command line, ~/.ssiuml/ssiuml.conf or as the default one."""

import os
import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from ssiuml import manifest
from ssiuml.errors import UsageError
from ssiuml.host.installation import HOME, IN_CHECKOUT
from ssiuml.manifest import Manifest, ManifestError

DEFAULT_RECIPE: Final = "trixie"
# Folders that hold images, each in a folder named as its recipe. In a checkout: its own, and no other. Else
# PREFIX/lib/ssiuml, where a release installed this package, then the folders of other installations.
IMAGES: Final = (
    (HOME / "images",)
    if IN_CHECKOUT
    else (HOME.parent, Path(sys.prefix) / "lib" / "ssiuml", Path("/usr/local/lib/ssiuml"))
)
# The keys of ssiuml.conf: files to use instead of an image's own (HOWTO 2.4).
CONFIGURATION_KEYS: Final = ("KERNEL", "ROOT", "CIDEV", "INITRD", "INITRD_MEMEXP")
_LINE: Final = re.compile(r"\s*([A-Za-z_][A-Za-z0-9_]*)\s*=\s*(.*?)\s*")


def configuration_file(home: Path) -> Path:
    """Return the path of ssiuml.conf."""
    return home / ".ssiuml" / "ssiuml.conf"


def read_configuration(path: Path, home: Path) -> Mapping[str, Path]:
    """Read the KEY=value lines of ssiuml.conf. Return the files by key; {} if there is no such file.

    Raise UsageError, with file, line, value and what was expected, if a line is wrong.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")  # editors of Windows begin files with a byte order mark
    except (FileNotFoundError, NotADirectoryError):
        return {}
    except OSError as error:
        raise UsageError(
            f"{path}: cannot be read: {error.strerror}",
            hint="set HOME to your own home, or have the file's owner let you read it",
        ) from error
    except UnicodeDecodeError as error:
        raise UsageError(f"{path}: cannot be read: {error}") from error
    values: dict[str, Path] = {}
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        key, value = _read_line(f"{path}:{number}", line)
        if key in values:
            raise UsageError(f"{path}:{number}: {key} is set a second time", hint="remove one of the lines")
        values[key] = _existing(f"{path}:{number}: {key}", value, home)
    return values


def _read_line(place: str, line: str) -> tuple[str, str]:
    match = _LINE.fullmatch(line)
    if match is None:
        raise UsageError(
            f"{place}: '{line.strip()}' is not of the form KEY=value",
            hint=f"use one of the keys {' '.join(CONFIGURATION_KEYS)}",
        )
    key, value = match.groups()
    if key not in CONFIGURATION_KEYS:
        raise UsageError(
            f"{place}: unknown key {key}", hint=f"use one of the keys {' '.join(CONFIGURATION_KEYS)}"
        )
    # Old files may be fragments of shell, with quotes: KEY="value".
    if len(value) >= 2 and value[0] == value[-1] and value[0] in "\"'":
        value = value[1:-1]
    if not value:
        raise UsageError(f"{place}: {key} has no value", hint="name a file, or remove the line")
    return key, value


def _existing(place: str, value: str, home: Path) -> Path:
    for prefix in ("~/", "$HOME/", "${HOME}/"):
        if value.startswith(prefix):
            value = os.path.join(home, value.removeprefix(prefix))  # noqa: PTH118 - a string, and stays one
            break
    path = Path(value)
    if not path.is_absolute():
        raise UsageError(f"{place}={value}: is not an absolute path", hint="begin it with / or ~/")
    if not path.is_file():
        raise UsageError(f"{place}={value}: there is no such file", hint="build it, or remove the line")
    return path


@dataclass(frozen=True, slots=True)
class Image:
    """The files that a cluster runs on. *remarks* are printed for the user."""

    described: Manifest
    kernel: Path
    root_fs: Path
    initrd: Path
    remarks: tuple[str, ...] = ()
    root_cidev: Path | None = None  # of a GFS1 root
    initrd_memexp: Path | None = None


def choose_image(
    recipe: str | None, folder: Path | None, home: Path | None, images: Sequence[Path] = IMAGES
) -> Image:
    """Return the image of *recipe* or in *folder*; without them the configured image, else the default one.

    A user without a *home* has no configuration. *images* are the folders in which the image of a recipe is
    searched. Raise UsageError if both *recipe* and *folder* are given, or if the image or one of its files
    does not exist.
    """
    path = configuration_file(home or Path("~"))
    configured = {} if home is None else read_configuration(path, home)
    if recipe is not None and folder is not None:
        raise UsageError("--recipe and --image are both given", hint="leave one of them out")
    if recipe is not None or folder is not None:
        where = folder if folder is not None else _folder_of(str(recipe), images)
        described = _read(where.absolute(), recipe)
        option = "--image" if folder is not None else "--recipe"
        # From the configuration come only files that the image itself does not have.
        used = {"KERNEL"} if described.kernel is None else set()
        if described.values["filesystem"]["type"] == "gfs1":
            used |= {"CIDEV"} if described.root_cidev is None else set()
            used |= {"INITRD_MEMEXP"} if described.initrd_memexp is None else set()
        kernel = configured.get("KERNEL") if "KERNEL" in used else None
        remarks = [
            f"{path}: {key} is not used, {option} takes precedence" for key in configured if key not in used
        ]
        return Image(
            described,
            kernel or described.require_kernel(),
            described.root_fs,
            described.initrd,
            tuple(remarks),
            described.root_cidev or (configured.get("CIDEV") if "CIDEV" in used else None),
            described.initrd_memexp or (configured.get("INITRD_MEMEXP") if "INITRD_MEMEXP" in used else None),
        )
    return _configured(path, configured, _default(configured, images))


def _default(configured: Mapping[str, Path], images: Sequence[Path]) -> Manifest:
    # A configured root in an image's folder belongs to that image. For any other root the limits of the
    # default image hold.
    if "ROOT" in configured and (configured["ROOT"].parent / manifest.NAME).exists():
        return _read(configured["ROOT"].parent, None)
    folder = _folder_of(DEFAULT_RECIPE, images)
    installed = [path.parent for path in images[0].glob(f"*/{manifest.NAME}")]
    if not IN_CHECKOUT and not folder.exists() and len(installed) == 1:
        return _read(installed[0], installed[0].name)  # the only installed image
    return _read(folder, DEFAULT_RECIPE)


def _folder_of(recipe: str, images: Sequence[Path]) -> Path:
    """Return the first folder that holds the recipe's image, the first one of all if none does."""
    folders = [folder / recipe for folder in images]
    return next((folder for folder in folders if (folder / manifest.NAME).exists()), folders[0])


def _configured(path: Path, configured: Mapping[str, Path], described: Manifest) -> Image:
    kind = described.values["filesystem"]["type"]
    # GFS1 needs the lock server memexp and the device of its table; GFS2 has DLM on every node.
    needless = set() if kind == "gfs1" else {"CIDEV", "INITRD_MEMEXP"}
    remarks = [f"{path}: {key}={file}" for key, file in configured.items() if key not in needless]
    remarks += [
        f"{path}: {key} is not used, a {kind} root does not need it" for key in configured if key in needless
    ]
    return Image(
        described,
        configured["KERNEL"] if "KERNEL" in configured else described.require_kernel(),
        configured.get("ROOT", described.root_fs),
        configured.get("INITRD", described.initrd),
        tuple(remarks),
        None if needless else configured.get("CIDEV", described.root_cidev),
        None if needless else configured.get("INITRD_MEMEXP", described.initrd_memexp),
    )


def _read(folder: Path, recipe: str | None) -> Manifest:
    try:
        described = manifest.read(folder)
    except ManifestError as error:
        raise UsageError(error.message, hint=_how_to_get(recipe)) from error
    files = (described.kernel, described.root_fs, described.initrd)
    for file in (*files, described.root_cidev, described.initrd_memexp):
        if file is not None and not file.is_file():
            raise UsageError(
                f"{file}: is missing; {folder / manifest.NAME} names it",
                hint=_how_to_get(recipe, file.parent.name),
            )
    return described


def _how_to_get(recipe: str | None, lacking: str | None = None) -> str:
    """Return the hint how to get an image. *lacking* is the folder of a missing file."""
    if not IN_CHECKOUT:
        kernel = lacking is not None and lacking.startswith("linux-ssi-")
        release = str(lacking) if kernel else f"ssiuml-root-{recipe or '...'}"
        return f"run `make install` of {release} with the same PREFIX, or give another image with --image DIR"
    chosen = "" if recipe in (None, DEFAULT_RECIPE) else f"recipe={recipe} "
    return f"run ./run {chosen}build-root"

"""The base layer out of the image of an installed system (HOWTO 5.1)."""

from pathlib import Path
from typing import Final

from ssiuml.cache import Cache, Entry
from ssiuml.layer import Layer
from ssiuml.steps import Values

SUFFIX: Final = ".ext2"


def inputs(sha256: str) -> Values:
    """What an unpacked image is kept under in the cache."""
    return {"sha256": sha256}


def get_or_make(cache: Cache, source: Path, sha256: str) -> Entry:
    """Unpack."""
    raise NotImplementedError


def layer_of(entry: Entry) -> Layer:
    """The base as a layer."""
    raise NotImplementedError

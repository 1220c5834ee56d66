"""Contents without their zeros: in units, and as a member of a tar archive.

Source: the manual of GNU tar, "PAX Format, Version 1.0" of sparse files, which bsdtar writes and reads too.
"""

import tarfile
from collections.abc import Iterator
from typing import Final

from ssiuml.tree.tree import Content, SparseContent

UNIT_BYTES: Final = 64 << 10
_ZEROS: Final = bytes(UNIT_BYTES)


def data_units(content: Content) -> Iterator[tuple[int, bytearray]]:
    """Yield number and bytes of each unit of UNIT_BYTES that is not all zeros; the last one may be shorter.

    Holes take no time.
    """
    for number, unit in _units(content):
        if unit != _ZEROS[: len(unit)]:
            yield number, unit


def _units(content: Content) -> Iterator[tuple[int, bytearray]]:
    """Yield number and bytes of each unit that is not all a hole."""
    number, unit = -1, bytearray()
    for start, data in _spans(content):
        offset, view = start, memoryview(data)
        while view:
            at, inside = divmod(offset, UNIT_BYTES)
            if at != number:
                if unit:
                    yield number, unit
                number, unit = at, bytearray(min(UNIT_BYTES, content.size_bytes - at * UNIT_BYTES))
            taken = view[: max(len(unit) - inside, 0)]
            if not taken:  # more than the contents should have; their size tells
                break
            unit[inside : inside + len(taken)] = taken
            offset, view = offset + len(taken), view[len(taken) :]
    if unit:
        yield number, unit


def _spans(content: Content) -> Iterator[tuple[int, bytes]]:
    if isinstance(content, SparseContent):
        yield from content.spans()
        return
    done = 0
    for chunk in content.chunks():
        yield done, chunk
        done += len(chunk)


def sparse_data(info: tarfile.TarInfo, content: Content) -> Iterator[bytes] | None:
    """Make *info* the header of a sparse member and return its data; None if *content* has no unit of zeros.

    It reads *content* once to find the zeros; the data read it again.
    """
    pieces: list[tuple[int, int]] = []
    for number, unit in data_units(content):
        offset = number * UNIT_BYTES
        if pieces and offset == sum(pieces[-1]):
            offset, length = pieces.pop()
            pieces.append((offset, length + len(unit)))
        else:
            pieces.append((offset, len(unit)))
    stored = sum(length for _, length in pieces)
    if stored == content.size_bytes:
        return None
    if not pieces or sum(pieces[-1]) < content.size_bytes:
        pieces.append((content.size_bytes, 0))  # GNU tar takes the length of the file from the last piece
    text = f"{len(pieces)}\n" + "".join(f"{offset}\n{length}\n" for offset, length in pieces)
    head = text.encode().ljust(-(-len(text) // tarfile.BLOCKSIZE) * tarfile.BLOCKSIZE, b"\0")
    records = {
        "GNU.sparse.major": "1",
        "GNU.sparse.minor": "0",
        "GNU.sparse.name": info.name,
        "GNU.sparse.realsize": str(content.size_bytes),
    }
    info.pax_headers = {**info.pax_headers, **records}
    info.size = len(head) + stored
    return _stored(head, content)


def _stored(head: bytes, content: Content) -> Iterator[bytes]:
    yield head
    for _, unit in data_units(content):
        yield bytes(unit)

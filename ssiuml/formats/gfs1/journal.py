"""Clean, empty GFS1 journals: a log header opens every segment.

Source: images that gfs_mkfs (ClusterLabs resource-agents, 2009) made.
"""

from collections.abc import Iterator, Sequence

from ssiuml.formats.gfs1.geometry import Geometry
from ssiuml.formats.gfs1.structures import LOG_HEADER_COPY_BYTES, LogHeader


def journal_blocks(
    geometry: Geometry, first_sequences: Sequence[int], *, full: bool
) -> Iterator[tuple[int, bytes]]:
    """Yield (block number, bytes) of every segment of all journals.

    *first_sequences* are the sequence numbers of the journals' first segments, 0 for missing ones. The bytes
    are the block of the log header; with *full*, those of the whole segment, which has zeros behind it.
    """
    segment_bytes = geometry.segment_blocks * geometry.block_size if full else 0
    for number, journal in enumerate(geometry.journals):
        first = first_sequences[number] if number < len(first_sequences) else 0
        for segment in range(journal.segments):
            block = journal.addr + segment * geometry.segment_blocks
            header = LogHeader(lh_first=block, lh_sequence=(first + segment) % journal.segments).pack()
            yield block, (header.ljust(LOG_HEADER_COPY_BYTES, b"\0") + header).ljust(segment_bytes, b"\0")

"""manifest.txt: what a tarball is and holds, for people."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from ssiuml.release.bill import Part, table
from ssiuml.units import format_size

NAME: Final = "manifest.txt"
_FILESYSTEM: Final = ("type", "block_size", "journals", "journal_size_bytes", "lock_protocol", "lock_table")


def write_inventory(path: Path, head: Sequence[str], sections: Mapping[str, Sequence[str]]) -> None:
    """Write *head*, a line each, and sections with their titles; empty ones are left out."""
    lines = list(head)
    for title, body in sections.items():
        if body:
            lines += ["", title, *body]
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")


def images_section(folder: Path, digests: Mapping[str, str]) -> list[str]:
    """Size and SHA-256 of each image."""
    return [
        f"  {name:20} {format_size((folder / name).stat().st_size):>10}  {digest}"
        for name, digest in digests.items()
    ]


def root_section(values: Mapping[str, Any]) -> list[str]:
    """File system and cluster, from an image's manifest."""
    filesystem = values["filesystem"]
    return [
        *(f"  {key:20} {filesystem[key]}" for key in _FILESYSTEM if key in filesystem),
        f"  {'nodes at most':20} {values['cluster']['node_limit']}",
        f"  {'network':20} {values['cluster']['network']}",
    ]


def parts_section(parts: Sequence[Part]) -> list[str]:
    return table(sorted(parts, key=lambda part: part.name))

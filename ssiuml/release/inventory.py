"""manifest.txt: what a tarball is and holds, for people."""

import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from ssiuml.release.part import Part
from ssiuml.units import format_size

NAME: Final = "manifest.txt"
_LICENCE_COLUMNS: Final = 60
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
    """The parts for people: a line each with version and licences, their patches below them."""
    names = max((len(part.name) for part in parts), default=0)
    versions = max((len(part.version) for part in parts), default=0)
    lines = []
    for part in sorted(parts, key=lambda part: part.name):
        head = f"  {part.name:{names}}  {part.version:{versions}}  "
        shown = textwrap.wrap(", ".join(part.licences), _LICENCE_COLUMNS, break_on_hyphens=False) or [""]
        lines += [(head + shown[0]).rstrip(), *(" " * len(head) + more for more in shown[1:])]
        lines += [f"      patch {name}" for name, _ in part.patches]
    return lines

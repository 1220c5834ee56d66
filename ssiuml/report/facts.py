"""What a report says of a build, found among the images and their steps."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from ssiuml.debian.deb import STATUS, installed
from ssiuml.formats.gfs_reader.device import open_image
from ssiuml.formats.gfs_reader.filesystem import Damaged, NoFilesystemError, read_filesystem
from ssiuml.host import files
from ssiuml.inspect.captioned import draw_filesystem
from ssiuml.inspect.occupancy import survey_occupancy
from ssiuml.inspect.svg import svg
from ssiuml.pipeline.explain import State
from ssiuml.pipeline.plan import Plan
from ssiuml.report.timeline import Bar
from ssiuml.tree.tree import Tree
from ssiuml.units import format_size

LARGEST: Final = 10  # packages that are named


@dataclass(frozen=True, slots=True)
class Row:
    """A line of a table: a name, and figures beside it."""

    name: str
    values: tuple[str, ...]


def bars_of(states: Sequence[State]) -> list[Bar]:
    """When each step ran, in seconds from the begin of the last build; those before it are earlier."""
    timed = [(state.step.name, timing) for state in states if (timing := state.step.duration())]
    last = max((timing.build for _, timing in timed), default=0.0)
    begin = min((timing.started for _, timing in timed if timing.build == last), default=0.0)
    return [
        Bar(name, max(timing.started - begin, 0.0), timing.seconds, earlier=False)
        if timing.build == last
        else Bar(name, 0.0, timing.seconds, earlier=True)
        for name, timing in timed
    ]


def image_rows(plan: Plan, values: Mapping[str, Any]) -> list[Row]:
    """Size, what is allocated, and the digest of each image in the manifest *values*."""
    rows = []
    for key in ("root_fs", "root_cidev", "kernel", "initrd", "initrd_memexp"):
        facts = values.get(key, {})
        path = plan.places.out / str(facts.get("file", ""))
        if path.is_file():
            sizes = (format_size(path.stat().st_size), format_size(files.allocated_bytes(path)))
            rows.append(Row(path.name, (*sizes, str(facts.get("sha256") or facts.get("tree_sha256", "")))))
    return rows


def package_rows(tree: Tree) -> tuple[int, list[Row]]:
    """How many Debian packages the root has, and the largest of them with their installed size."""
    node = tree.find(STATUS)
    if node is None:
        return 0, []
    found = installed(node.read().decode("utf-8"))
    sizes = {each["Package"]: int(each.get("Installed-Size", "0")) << 10 for each in found}
    largest = sorted(sizes, key=lambda each: (-sizes[each], each))[:LARGEST]
    return len(sizes), [Row(each, (format_size(sizes[each]),)) for each in largest]


def map_of(image: Path) -> str:
    """What lies where in the root, as an SVG element; empty if nobody can read it."""
    damages: list[Damaged] = []
    with open_image(image) as source:
        try:
            filesystem = read_filesystem(source)
        except (Damaged, NoFilesystemError):
            return ""
        occupancy = survey_occupancy(filesystem, damages.append)
        drawing = draw_filesystem(filesystem, occupancy, name=image.name, damages=len(damages))
        return element(svg(drawing).decode())


def element(picture: str) -> str:
    """An SVG file's element alone, without what comes before it, for a page of HTML."""
    return picture[picture.index("<svg") :]

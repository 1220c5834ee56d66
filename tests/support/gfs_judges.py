"""Programs that judge GFS images: fsck.gfs2 and gfs2_edit; gfs2_convert makes GFS2 of GFS1 for them."""

import re
from pathlib import Path

from gfs2_image_reader import ImageReader
from programs import tool

from ssiuml.host import files
from ssiuml.tree.compare import differences, take_census
from ssiuml.tree.tree import Tree

_PROGRESS = ("Initializing", "Validating", "Level 1", "(level 1", "Starting", "fsck.gfs2 complete")
# gfs2_convert never counts inodes right, not even in images that gfs_mkfs and GFS kernels made. fsck.gfs2
# then finds exactly these lines; any other line would be about our images.
STATFS_ONLY = {"The statfs file is wrong:", "The statfs file was fixed.", "Writing changes to disk"}
_STATFS_WORDS = ("Current statfs values:", "Calculated statfs values:", "blocks:", "free:", "dinodes:")


def without_percentages(output: str) -> str:
    """Return the output of fsck.gfs2 without the counter that it shows when it takes longer."""
    return re.sub(r"\r? *\d+ percent complete\.\r?", "", output)


def assert_clean(image: Path) -> None:
    """Assert that fsck.gfs2 prints nothing about *image* besides its own progress."""
    output = without_percentages(tool("fsck.gfs2", "-n", image))
    remarks = [
        line
        for line in output.splitlines()
        if not line.startswith(_PROGRESS) and "completed in" not in line and "Reconciling" not in line
    ]
    assert remarks == [], output


def assert_device_numbers(image: Path, address: int, major: int, minor: int) -> None:
    """Assert that gfs2_edit reads these numbers in the dinode at *address*. Linux 6.1 itself shows 0:0."""
    words = tool("gfs2_edit", "-p", str(address), image).split()
    seen = tuple(words[words.index(name) + 1] for name in ("di_major", "di_minor"))
    assert seen == (str(major), str(minor))


def blkid(image: Path, offset_bytes: int = 0) -> dict[str, str]:
    """Return what libblkid finds at *offset_bytes* of *image*, values by tag."""
    lines = tool("blkid", "-p", "-O", str(offset_bytes), "-o", "export", image).splitlines()
    pairs = dict(line.split("=", 1) for line in lines if "=" in line)
    pairs.pop("DEVNAME", None)
    return {key: value.replace("\\", "") for key, value in pairs.items()}


def convert_to_gfs2(image: Path) -> Path:
    """Return a copy of the GFS1 image, made GFS2 by gfs2_convert, whose one known error is repaired."""
    copy = image.with_name(f"{image.name}.gfs2")
    files.copy(image, copy)
    tool("gfs2_convert", "-y", copy)
    output = without_percentages(tool("fsck.gfs2", "-y", copy, ok=(0, 1)))
    remarks = {
        line
        for line in output.splitlines()
        if line and not line.startswith((*_PROGRESS, *_STATFS_WORDS)) and "completed in" not in line
    }
    assert {line for line in remarks if "Reconciling" not in line} <= STATFS_ONLY, output
    return copy


def assert_clean_after_conversion(image: Path) -> None:
    """Assert that gfs2_convert accepts the GFS1 image, and that fsck.gfs2 finds the result clean."""
    copy = convert_to_gfs2(image)
    assert_clean(copy)
    copy.unlink()


def assert_holds(image: Path, tree: Tree) -> None:
    """Assert that the GFS1 image is clean after its conversion, and that it then holds *tree*."""
    copy = convert_to_gfs2(image)
    assert_clean(copy)
    assert differences(take_census(tree), take_census(ImageReader(copy, owned_leaves=False).tree())) == []
    copy.unlink()

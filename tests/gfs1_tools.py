"""Foreign programs that judge GFS1 file systems."""

from pathlib import Path

from gfs_tools import assert_clean, tool

from ssiuml import sparse

# gfs2_convert never counts inodes right (seen with what gfs_mkfs and GFS kernels made, too): fsck.gfs2 finds
# exactly these lines, and more would be about us.
STATFS_ONLY = {"The statfs file is wrong:", "The statfs file was fixed.", "Writing changes to disk"}
_STATFS_WORDS = ("Current statfs values:", "Calculated statfs values:", "blocks:", "free:", "dinodes:")


def blkid(image: Path, offset_bytes: int = 0) -> dict[str, str]:
    """What libblkid finds at a byte of *image*."""
    lines = tool("blkid", "-p", "-O", str(offset_bytes), "-o", "export", image).splitlines()
    pairs = dict(line.split("=", 1) for line in lines if "=" in line)
    pairs.pop("DEVNAME", None)
    return {key: value.replace("\\", "") for key, value in pairs.items()}


def converted(image: Path) -> Path:
    """A copy of *image* that gfs2_convert has made GFS2 of, and in which its one known slip is repaired."""
    copy = image.with_name(f"{image.name}.gfs2")
    sparse.copy(image, copy)
    tool("gfs2_convert", "-y", copy)
    output = tool("fsck.gfs2", "-y", copy, ok=(0, 1))
    progress = ("Initializing", "Validating", "Level 1", "(level 1", "Starting", "fsck.gfs2 complete")
    remarks = {
        line
        for line in output.splitlines()
        if line and not line.startswith((*progress, *_STATFS_WORDS)) and "completed in" not in line
    }
    assert {line for line in remarks if "Reconciling" not in line} <= STATFS_ONLY, output
    return copy


def assert_clean_after_conversion(image: Path) -> None:
    """gfs2_convert takes *image*, and fsck.gfs2 finds the result clean."""
    copy = converted(image)
    assert_clean(copy)
    copy.unlink()

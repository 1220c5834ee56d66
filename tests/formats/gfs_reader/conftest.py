"""Images that several tests of the reader share."""

from pathlib import Path

import pytest
from editable_image import BLOCK
from gfs_images import gfs1_image, gfs2_image


@pytest.fixture(scope="session")
def images(tmp_path_factory: pytest.TempPathFactory) -> dict[bool, bytes]:
    """A GFS1 image at True and a GFS2 image at False, with gfs_images.small_tree in each."""
    folder: Path = tmp_path_factory.mktemp("images")
    return {True: gfs1_image(folder, BLOCK), False: gfs2_image(folder, BLOCK)}

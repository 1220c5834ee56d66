"""A fixture for the tests of templates/release/setup, the script in every tarball."""

from pathlib import Path

import pytest
from tarball_folders import KERNEL, ROOT, UTILS, stage


@pytest.fixture(scope="module")
def unpacked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The three folders; tests must not change them."""
    base = tmp_path_factory.mktemp("unpacked")
    for name in (ROOT, KERNEL, UTILS):
        stage(base / name)
    return base

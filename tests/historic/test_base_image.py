"""The base layer from an image: what the user reads about an image that cannot be read."""

import gzip
from pathlib import Path

import pytest
from ext2_images import change, make_image

from ssiuml.formats.ext2.filesystem import Ext2Error
from ssiuml.historic import base_image
from ssiuml.host.cache import Cache
from ssiuml.host.digests import file_sha256
from ssiuml.tree.tree import Tree


def test_an_error_names_the_download_and_no_file_that_is_deleted(tmp_path: Path) -> None:
    image = make_image(tmp_path / "image", Tree(), "-t", "ext3", "-b", "1024")
    change(image, "feature needs_recovery")
    download = tmp_path / "base.gz"
    download.write_bytes(gzip.compress(image.read_bytes()))
    with pytest.raises(Ext2Error) as error:
        base_image.get_or_make(Cache(tmp_path / "cache"), download, file_sha256(download))
    assert str(error.value).startswith(f"{download}: has the feature needs_recovery")
    assert error.value.hint == "replay it in a copy and use that: cp IMAGE COPY && e2fsck -fy COPY"
    assert list((tmp_path / "cache").rglob("*.ext2")) == []

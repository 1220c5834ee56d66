"""The copy of the root that a cluster runs on."""

import resource
from collections.abc import Callable
from pathlib import Path

import pytest

from ssiuml.cluster import root_copy
from ssiuml.cluster.image_choice import Image, choose_image
from ssiuml.cluster.paths import ClusterFolder
from ssiuml.errors import UsageError


def test_the_root_is_copied_once_and_kept(folder: ClusterFolder, image: Image) -> None:
    assert root_copy.prepare_root(folder, image, fresh=False, keep=False)
    folder.root_fs.write_text("changed by nodes")
    assert root_copy.prepare_root(folder, image, fresh=False, keep=False) is None
    assert folder.root_fs.read_text() == "changed by nodes"
    assert root_copy.prepare_root(folder, image, fresh=True, keep=False)
    assert folder.root_fs.read_text() == "root_fs"
    assert folder.root_fs.stat().st_mode & 0o777 == 0o600


def test_a_root_of_an_image_that_was_rebuilt_is_refused_unless_it_is_kept(
    folder: ClusterFolder, image: Image, tmp_path: Path
) -> None:
    root_copy.prepare_root(folder, image, fresh=False, keep=False)
    manifest = tmp_path / "image" / "manifest.json"
    manifest.write_text(manifest.read_text().replace('"root_fs"}', '"root_fs", "tree_sha256": "new"}'))
    rebuilt = choose_image(None, tmp_path / "image", tmp_path)
    with pytest.raises(UsageError, match=r"has been rebuilt(.|\n)*--fresh(.|\n)*--keep"):
        root_copy.prepare_root(folder, rebuilt, fresh=False, keep=False)
    assert root_copy.prepare_root(folder, rebuilt, fresh=False, keep=True) is None


def test_a_copy_of_another_recipe_or_of_an_unknown_image_is_refused(
    folder: ClusterFolder, image: Image, tmp_path: Path, make_image: Callable[..., Path]
) -> None:
    root_copy.prepare_root(folder, image, fresh=False, keep=False)
    make_image(tmp_path / "other", "mine")
    other = choose_image(None, tmp_path / "other", tmp_path)
    with pytest.raises(UsageError, match="of recipe trixie, not of recipe mine"):
        root_copy.prepare_root(folder, other, fresh=False, keep=False)
    folder.root_origin.write_text("{")
    with pytest.raises(UsageError, match="copied from is not known"):
        root_copy.prepare_root(folder, image, fresh=False, keep=False)


def test_a_fresh_copy_that_fails_leaves_the_old_root_its_record_and_its_crash(
    folder: ClusterFolder, image: Image
) -> None:
    root_copy.prepare_root(folder, image, fresh=False, keep=False)
    folder.root_fs.write_text("changed by nodes")
    folder.crashed.touch()
    before = sorted(path.name for path in folder.path.iterdir())
    image.root_fs.write_text("x" * 10_000)
    old = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (5_000, old[1]))  # as on a full disk
    try:
        with pytest.raises(OSError, match="File too large"):
            root_copy.prepare_root(folder, image, fresh=True, keep=False)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, old)
    assert sorted(path.name for path in folder.path.iterdir()) == before
    # The next start goes on with the old root.
    assert root_copy.prepare_root(folder, image, fresh=False, keep=False) is None
    assert folder.root_fs.read_text() == "changed by nodes"

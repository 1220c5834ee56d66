"""The boot of the built images, and of images that do not boot."""

import shutil
from pathlib import Path

import pytest
from checkouts import Checkout
from processes import processes_of, wait_until

from ssiuml.cluster import smoke
from ssiuml.cluster.smoke import check_images
from ssiuml.errors import SsiumlError
from ssiuml.manifest import ManifestError

pytestmark = pytest.mark.boot


@pytest.fixture
def images(built: Checkout, tmp_path: Path) -> Path:
    """Copies of the images, for a test to damage. The root image is shared, since nothing writes to it."""
    folder = tmp_path / "images"
    folder.mkdir()
    for name in ("manifest.json", "linux-ssi", "initrd-ssi.img"):
        shutil.copy2(built.images / name, folder)
    (folder / "root_fs").hardlink_to(built.images / "root_fs")
    return folder


def test_built_images_boot_to_login_and_end_in_order(built: Checkout) -> None:
    before = (built.images / "root_fs").stat().st_mtime_ns
    outcome = built.build("check")
    assert "the images boot: login, shell, orderly end, clean root" in outcome.output
    assert (built.images / "root_fs").stat().st_mtime_ns == before
    assert list((built.images / "work").glob("check.*")) == []


def test_an_initrd_without_boot_scripts_fails_with_the_end_of_the_console(images: Path) -> None:
    (images / "initrd-ssi.img").write_bytes(b"")
    with pytest.raises(SsiumlError, match=r"(?s)the node ended before login prompt.*Kernel panic"):
        check_images(images)
    wait_until(lambda: processes_of(str(images)) == [], "the node's processes end")


def test_a_root_that_is_no_file_system_fails_with_the_nodes_message(images: Path) -> None:
    (images / "root_fs").unlink()
    with (images / "root_fs").open("wb") as stream:
        stream.truncate(64 << 20)
    with pytest.raises(SsiumlError, match=r"(?s)the node gave up before login prompt.*FAILED: "):
        check_images(images)
    wait_until(lambda: processes_of(str(images)) == [], "the node's processes end")


def test_a_node_that_hangs_is_killed_at_the_limit(images: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(smoke, "LIMIT_S", 1.0)
    with pytest.raises(SsiumlError, match=r"no login prompt within 1 s"):
        check_images(images)
    wait_until(lambda: processes_of(str(images)) == [], "the node's processes end")


def test_a_folder_without_images_is_refused_with_the_command_that_builds_them(tmp_path: Path) -> None:
    with pytest.raises(ManifestError, match=r"no image has been built here\n  run \./run build-root"):
        check_images(tmp_path)

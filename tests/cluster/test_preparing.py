"""What ssi-start prepares: folder, timings, memory, the root's copy, keys and the initrd with them."""

import gzip
import io
import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from ssiuml.cluster import memory, root_copy, timings
from ssiuml.cluster.image_choice import Image, choose_image
from ssiuml.cluster.paths import SUN_PATH_BYTES, ClusterFolder, cluster_folder
from ssiuml.cluster.ssh_keys import make_initrd, make_keys
from ssiuml.errors import UsageError


@pytest.fixture
def folder(tmp_path: Path) -> ClusterFolder:
    made = ClusterFolder(tmp_path / "c")
    made.make()
    return made


@pytest.fixture
def image(tmp_path: Path, make_image: Callable[..., Path]) -> Image:
    make_image(tmp_path / "image")
    return choose_image(None, tmp_path / "image", tmp_path)


@pytest.mark.parametrize("name", ["", "a/b", "..", ".x", "-x", "x" * 33, "ä", "a b"])
def test_a_name_that_will_not_do_is_refused(name: str) -> None:
    with pytest.raises(UsageError, match="is no name of a cluster"):
        cluster_folder(name, {"XDG_STATE_HOME": "/s"})


def test_a_relative_state_home_is_ignored_as_xdg_wants_it() -> None:
    assert cluster_folder("c", {"XDG_STATE_HOME": "rel"}).path == Path.home() / ".local/state/ssiuml/c"


def test_every_socket_fits_where_the_folder_just_fits_and_one_byte_more_is_refused() -> None:
    fixed = len("//ssiuml/c") + len("/ssh-15.0123456789abcdef")
    fitting = SUN_PATH_BYTES - 1 - fixed
    folder = cluster_folder("c", {"XDG_STATE_HOME": "/" + "x" * fitting})
    names = [folder.switch, folder.socket, folder.door(15), folder.uml / "node15" / "mconsole"]
    longest = max(len(os.fsencode(path)) for path in [*names, Path(f"{folder.ssh(15)}.0123456789abcdef")])
    assert longest == SUN_PATH_BYTES - 1
    with pytest.raises(UsageError, match="too long for the sockets"):
        cluster_folder("c", {"XDG_STATE_HOME": "/" + "x" * (fitting + 1)})


@pytest.mark.parametrize(
    ("nodes", "cores", "token_ms"),
    [(1, 2, 2000), (3, 2, 2000), (4, 2, 2250), (8, 2, 3250), (9, 2, 7000), (15, 2, 10000), (15, 4, 5000)],
)
def test_the_token_grows_with_nodes_and_load(nodes: int, cores: int, token_ms: int) -> None:
    assert timings.token_ms(2000, nodes, cores) == token_ms


@pytest.mark.parametrize(
    ("nodes", "cores", "at_once"), [(3, 1, 3), (4, 1, 4), (5, 1, 2), (15, 2, 2), (15, 8, 8)]
)
def test_more_than_four_nodes_are_started_a_few_at_a_time(nodes: int, cores: int, at_once: int) -> None:
    assert timings.starting_at_once(nodes, cores) == at_once


def test_too_little_memory_is_said_with_need_and_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "_available_mib", lambda: 500)
    memory.require_memory(2, 250)
    with pytest.raises(memory.MemoryShortage, match=r"3 nodes of 250 MiB need 750 MiB, 500 MiB are free"):
        memory.require_memory(3, 250)


def test_the_root_is_copied_once_and_kept(folder: ClusterFolder, image: Image) -> None:
    assert root_copy.prepare_root(folder, image, fresh=False, keep=False)
    folder.root_fs.write_text("changed by nodes")
    assert root_copy.prepare_root(folder, image, fresh=False, keep=False) is None
    assert folder.root_fs.read_text() == "changed by nodes"
    assert root_copy.prepare_root(folder, image, fresh=True, keep=False)
    assert folder.root_fs.read_text() == "root_fs"
    assert folder.root_fs.stat().st_mode & 0o777 == 0o600


def test_an_image_that_was_rebuilt_is_told_and_the_old_root_can_be_kept(
    folder: ClusterFolder, image: Image, tmp_path: Path
) -> None:
    root_copy.prepare_root(folder, image, fresh=False, keep=False)
    manifest = tmp_path / "image" / "manifest.json"
    manifest.write_text(manifest.read_text().replace('"root_fs"}', '"root_fs", "tree_sha256": "new"}'))
    rebuilt = choose_image(None, tmp_path / "image", tmp_path)
    with pytest.raises(UsageError, match=r"has been built anew(.|\n)*--fresh(.|\n)*--keep"):
        root_copy.prepare_root(folder, rebuilt, fresh=False, keep=False)
    assert root_copy.prepare_root(folder, rebuilt, fresh=False, keep=True) is None


def test_a_copy_of_another_recipe_or_an_unknown_one_is_told(
    folder: ClusterFolder, image: Image, tmp_path: Path, make_image: Callable[..., Path]
) -> None:
    root_copy.prepare_root(folder, image, fresh=False, keep=False)
    make_image(tmp_path / "other", "mine")
    other = choose_image(None, tmp_path / "other", tmp_path)
    with pytest.raises(UsageError, match="of recipe bookworm, not of mine"):
        root_copy.prepare_root(folder, other, fresh=False, keep=False)
    folder.root_origin.write_text("{")
    with pytest.raises(UsageError, match="nobody knows"):
        root_copy.prepare_root(folder, image, fresh=False, keep=False)


def test_keys_are_made_once_and_only_the_owner_reads_them(folder: ClusterFolder) -> None:
    make_keys(folder)
    before = (folder.keys / "user_key").read_bytes()
    make_keys(folder)
    assert (folder.keys / "user_key").read_bytes() == before
    for name in ("user_key", "host_key"):
        assert (folder.keys / name).stat().st_mode & 0o777 == 0o600


def test_the_initrd_has_the_images_segments_and_the_keys(folder: ClusterFolder, image: Image) -> None:
    make_keys(folder)
    make_initrd(folder, image.initrd)
    assert folder.initrd.stat().st_mode & 0o777 == 0o600
    data = folder.initrd.read_bytes()
    assert data.startswith(b"i\0\0\0")
    unpacked = gzip.GzipFile(fileobj=io.BytesIO(data[4:])).read()
    listed = subprocess.run(["cpio", "-tv"], input=unpacked, capture_output=True, check=True).stdout.decode()
    modes = {line.split()[-1]: line.split()[0] for line in listed.splitlines()}
    assert modes == {
        "etc": "drwxr-xr-x",
        "etc/ssi": "drwxr-xr-x",
        "etc/ssi/door": "drwx------",
        "etc/ssi/door/authorized_keys": "-rw-------",
        "etc/ssi/door/host_key": "-rw-------",
        "etc/ssi/door/host_key.pub": "-rw-------",
    }

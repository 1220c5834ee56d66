"""The keys of a cluster, and the initrd with them."""

import gzip
import io
import subprocess

from ssiuml.cluster.image_choice import Image
from ssiuml.cluster.paths import ClusterFolder
from ssiuml.cluster.ssh_keys import make_initrd, make_keys


def test_keys_are_made_once_and_only_the_owner_can_read_them(folder: ClusterFolder) -> None:
    make_keys(folder)
    before = (folder.keys / "user_key").read_bytes()
    make_keys(folder)
    assert (folder.keys / "user_key").read_bytes() == before
    for name in ("user_key", "host_key"):
        assert (folder.keys / name).stat().st_mode & 0o777 == 0o600


def test_the_initrd_has_the_segments_of_the_image_and_the_keys(folder: ClusterFolder, image: Image) -> None:
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
        "etc/ssi/ssh": "drwx------",
        "etc/ssi/ssh/authorized_keys": "-rw-------",
        "etc/ssi/ssh/host_key": "-rw-------",
        "etc/ssi/ssh/host_key.pub": "-rw-------",
    }

"""The folder of a cluster: its name, its place, and sockets whose names fit."""

import os
from pathlib import Path

import pytest

from ssiuml.cluster.paths import SUN_PATH_BYTES, cluster_folder
from ssiuml.errors import UsageError


@pytest.mark.parametrize("name", ["", "a/b", "..", ".x", "-x", "x" * 33, "ä", "a b"])
def test_a_wrong_cluster_name_is_refused(name: str) -> None:
    with pytest.raises(UsageError, match="is not a valid name of a cluster"):
        cluster_folder(name, {"XDG_STATE_HOME": "/s"})


def test_a_relative_state_home_is_ignored_as_xdg_demands() -> None:
    assert cluster_folder("c", {"XDG_STATE_HOME": "rel", "HOME": "/h"}).path == Path(
        "/h/.local/state/ssiuml/c"
    )


def test_sockets_fit_in_the_longest_folder_and_one_byte_more_is_refused() -> None:
    fixed = len("//ssiuml/c") + len("/ssh-15.0123456789abcdef")
    fitting = SUN_PATH_BYTES - 1 - fixed
    folder = cluster_folder("c", {"XDG_STATE_HOME": "/" + "x" * fitting})
    names = [folder.switch, folder.socket, folder.ssh_socket(15), folder.uml / "node15" / "mconsole"]
    longest = max(
        len(os.fsencode(path)) for path in [*names, Path(f"{folder.ssh_control_path(15)}.0123456789abcdef")]
    )
    assert longest == SUN_PATH_BYTES - 1
    with pytest.raises(UsageError, match="too long for the sockets"):
        cluster_folder("c", {"XDG_STATE_HOME": "/" + "x" * (fitting + 1)})

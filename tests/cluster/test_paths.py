"""The folder of a cluster: its name and its place."""

from pathlib import Path

import pytest

from ssiuml.cluster.paths import cluster_folder
from ssiuml.errors import UsageError


@pytest.mark.parametrize("name", ["", "a/b", "..", ".x", "-x", "x" * 33, "ä", "a b"])
def test_a_wrong_cluster_name_is_refused(name: str) -> None:
    with pytest.raises(UsageError, match="is not a valid name of a cluster"):
        cluster_folder(name, {"XDG_STATE_HOME": "/s"})


def test_a_relative_state_home_is_ignored_as_xdg_demands() -> None:
    assert cluster_folder("c", {"XDG_STATE_HOME": "rel", "HOME": "/h"}).path == Path(
        "/h/.local/state/ssiuml/c"
    )

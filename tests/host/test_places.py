"""Where the cache, the clusters' folders and the files of a build lie."""

from pathlib import Path

import pytest
from programs import tool

from ssiuml.host.places import Places, cache_root, state_root, user_home


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        ({"SSIUML_CACHE": "/a", "XDG_CACHE_HOME": "/b"}, "/a"),
        ({"XDG_CACHE_HOME": "/b"}, "/b/ssiuml"),
        ({"SSIUML_CACHE": "", "XDG_CACHE_HOME": "/b"}, "/b/ssiuml"),
        ({"SSIUML_CACHE": "~/a"}, "/home/me/a"),
        ({}, "/home/me/.cache/ssiuml"),
        ({"XDG_CACHE_HOME": ""}, "/home/me/.cache/ssiuml"),
        # "All paths set in these environment variables must be absolute. If an implementation
        # encounters a relative path [...] it should consider the path invalid and ignore it."
        ({"XDG_CACHE_HOME": "relative"}, "/home/me/.cache/ssiuml"),
    ],
)
def test_the_cache_lies_where_the_environment_says(
    environ: dict[str, str], expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", "/home/me")
    assert cache_root({"HOME": "/home/me", **environ}) == Path(expected)


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        ({"XDG_STATE_HOME": "/b"}, "/b/ssiuml"),
        ({"XDG_STATE_HOME": "relative"}, "/home/me/.local/state/ssiuml"),
        ({}, "/home/me/.local/state/ssiuml"),
    ],
)
def test_clusters_lie_where_the_environment_says(environ: dict[str, str], expected: str) -> None:
    assert state_root({"HOME": "/home/me", **environ}) == Path(expected)


@pytest.mark.parametrize("home", [{}, {"HOME": ""}, {"HOME": "relative"}])
def test_without_a_usable_home_that_of_the_password_database_is_taken(home: dict[str, str]) -> None:
    in_database = tool("sh", "-c", "getent passwd $(id -u) | cut -d: -f6").strip()
    assert user_home(home) == Path(in_database)
    assert user_home({"HOME": "/h"}) == Path("/h")


def test_a_relative_cache_is_relative_to_the_working_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert cache_root({"SSIUML_CACHE": "here"}) == tmp_path / "here"


def test_what_is_built_lies_in_out_and_no_two_steps_share_a_stamp(tmp_path: Path) -> None:
    places = Places(tmp_path, tmp_path / "cache", tmp_path / "images" / "one")
    ours = [places.layers, places.work, places.stamp("base"), places.stamp("initrd-base")]
    assert all(path.is_relative_to(places.out) for path in ours)
    assert len(set(ours)) == len(ours)
    assert places.templates == tmp_path / "templates"
    assert places.cluster_tools == tmp_path / "cluster-tools"

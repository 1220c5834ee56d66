"""What a new release makes superfluous: nothing that somebody may still want."""

from pathlib import Path

import pytest

from ssiuml.release.superseded import other_snapshots

RELEASE = "0.1.0-12.g0123456789ab"
MADE = f"ssiuml-root-bookworm-{RELEASE}.tar.bz2"


@pytest.mark.parametrize(
    "name",
    [
        "ssiuml-root-bookworm-0.1.0-11.gfedcba987654.tar.bz2",
        "ssiuml-root-bookworm-0.1.0-11.gfedcba987654.dirty.tar.xz",
        "ssiuml-root-bookworm-0.0.9-3.gfedcba987654.tar.zst",
    ],
)
def test_an_untagged_state_of_the_same_root_is_superfluous(tmp_path: Path, name: str) -> None:
    for each in (MADE, name):
        (tmp_path / each).touch()
    assert other_snapshots(tmp_path / MADE, RELEASE) == [tmp_path / name]


@pytest.mark.parametrize(
    "name",
    [
        MADE,
        "ssiuml-root-bookworm-0.1.0-1.tar.bz2",
        "ssiuml-root-bookworm-0.1.0-0.tar.bz2",
        "ssiuml-root-bookworm-min-0.1.0-11.gfedcba987654.tar.bz2",
        "ssiuml-utils-0.1.0-11.gfedcba987654.tar.bz2",
        "my-ssiuml-root-bookworm-0.1.0-11.gfedcba987654.tar.bz2",
        "ssiuml-root-bookworm-0.1.0-11.gfedcba987654.tar.bz2.part",
        "SHA256SUMS",
    ],
)
def test_releases_other_recipes_and_all_else_stay(tmp_path: Path, name: str) -> None:
    for each in (MADE, name):
        (tmp_path / each).touch()
    assert other_snapshots(tmp_path / MADE, RELEASE) == []

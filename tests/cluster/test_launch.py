"""What is checked before a cluster is launched."""

from pathlib import Path

import pytest

from ssiuml.cluster import launch
from ssiuml.errors import SsiumlError


def test_too_little_memory_is_reported_with_need_and_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(launch, "_available_mib", lambda: 500)
    launch.require_memory(2, 250)
    with pytest.raises(SsiumlError, match=r"3 nodes of 250 MiB need 750 MiB, 500 MiB are free"):
        launch.require_memory(3, 250)


def test_free_memory_is_sought_where_the_nodes_will_have_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(launch, "_available_mib", lambda: 500)
    monkeypatch.setattr(launch, "_free_mib", lambda folder: 300 if folder == tmp_path else 500)
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    with pytest.raises(SsiumlError) as caught:
        launch.require_memory(2, 250)
    assert str(caught.value) == (
        f"2 nodes of 250 MiB need 500 MiB, 300 MiB are free: {tmp_path}\n"
        "  start 1 nodes, or give each less memory with --memory"
    )

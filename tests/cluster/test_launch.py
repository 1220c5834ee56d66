"""What is checked before a cluster is launched."""

import pytest

from ssiuml.cluster import launch
from ssiuml.errors import SsiumlError


def test_too_little_memory_is_reported_with_need_and_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(launch, "_available_mib", lambda: 500)
    launch.require_memory(2, 250)
    with pytest.raises(SsiumlError, match=r"3 nodes of 250 MiB need 750 MiB, 500 MiB are free"):
        launch.require_memory(3, 250)

"""Windows for the consoles. A stand-in for xterm runs the same command and keeps its output."""

import os
from pathlib import Path

import pytest
from clusters import Cluster
from processes import wait_until

XTERM = """\
#!/bin/sh
# Called as xterm -T TITLE -e COMMAND…
printf '%s\\n' "$2" >>"$WINDOWS/titles"
shift 3
"$@" >"$WINDOWS/$$.screen" 2>&1 </dev/null
mv "$WINDOWS/$$.screen" "$WINDOWS/$$.closed"
"""


@pytest.mark.boot
@pytest.mark.long
def test_each_node_that_starts_gets_a_window_that_closes_with_it(
    cluster: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "bin" / "xterm"
    program.parent.mkdir()
    program.write_text(XTERM)
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:{os.environ['PATH']}")
    monkeypatch.setenv("DISPLAY", ":99")
    monkeypatch.setenv("WINDOWS", str(tmp_path))
    cluster.do("start", "1", "--image", str(cluster.images))
    cluster.add(2)
    assert sorted((tmp_path / "titles").read_text().splitlines()) == ["t: node 1", "t: node 2"]
    screens = list(tmp_path.glob("*.screen"))
    assert len(screens) == 2
    wait_until(lambda: all("login:" in screen.read_text() for screen in screens), "login prompts")
    cluster.do("stop")
    wait_until(lambda: len(list(tmp_path.glob("*.closed"))) == 2, "windows close")

"""The command lines of ssh, and how fast the modules for them are imported."""

import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from ssiuml.cluster.paths import ClusterFolder
from ssiuml.cluster.ssh import session_command


@pytest.mark.parametrize(
    ("command", "line"),
    [([], []), (["echo $HOME"], ["echo $HOME"]), (["echo", "a b", "$HOME"], ["echo 'a b' '$HOME'"])],
)
def test_one_word_is_a_line_for_the_shell_and_several_are_quoted(
    tmp_path: Path, command: list[str], line: list[str]
) -> None:
    words = session_command(ClusterFolder(tmp_path), 2, command, terminal=False)
    rest = words[words.index("root@node2") + 1 :]
    assert rest[:1] == (["--"] if line else [])
    assert [shlex.split(word)[-1] for word in rest[1:]] == line


def test_modules_on_the_way_to_a_session_import_nothing_heavy() -> None:
    script = (
        "import sys, ssiuml.cluster.client, ssiuml.cluster.ssh\n"
        "heavy = {'asyncio', 'logging', 'pydantic', 'sh', 'shlex', 'subprocess', 'tempfile', 'yaml'}\n"
        "print(*sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout.split() == []

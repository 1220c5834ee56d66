"""Completion of command lines, typed into real shells."""

import os
import re
import subprocess
from collections.abc import Callable
from pathlib import Path

import pexpect
import pytest
from project import PROJECT

from ssiuml.release.commands import commands
from ssiuml.release.completion import write_completions

LIMIT_S = 30.0
PROMPT = "ready>"
# Ctrl-X k writes the completed line to a file; the line is not run.
BEGIN = {
    "bash": """\
PS1='{prompt} '
bind 'set enable-bracketed-paste off' 'set bell-style none' 'set show-all-if-ambiguous on'
keep() {{ printf '%s' "$READLINE_LINE" >{seen}; READLINE_LINE=; READLINE_POINT=0; }}
bind -x '"\\C-xk": keep'
for each in {share}/bash-completion/completions/*; do . "$each"; done
""",
    "zsh": """\
PS1='{prompt} '
fpath=({share}/zsh/site-functions $fpath)
autoload -Uz compinit && compinit -u -D
zstyle ':completion:*' list-prompt ''
setopt no_beep no_always_last_prompt
keep() {{ printf '%s' "$BUFFER" >{seen}; BUFFER=; zle -R; }}
zle -N keep
bindkey '^Xk' keep
""",
}


@pytest.fixture(scope="module")
def share(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("share")
    write_completions(folder)
    return folder


Press = Callable[[str], tuple[str, str]]


@pytest.fixture(params=["bash", "zsh"])
def press(request: pytest.FixtureRequest, share: Path, tmp_path: Path) -> Press:
    """Return a function that types a line and a tab into a shell and returns the new line and the output."""
    shell: str = request.param
    (tmp_path / "images").mkdir()
    for name in ("root_fs", "rescue.tar"):
        (tmp_path / name).touch()
    cluster = tmp_path / "state" / "ssiuml" / "kiwi"
    cluster.mkdir(parents=True)
    (cluster / "plan.json").touch()
    begin = tmp_path / "begin"
    seen = tmp_path / "seen"
    begin.write_text(BEGIN[shell].format(prompt=PROMPT, share=share, seen=seen))

    def typed(line: str) -> tuple[str, str]:
        seen.unlink(missing_ok=True)
        child = pexpect.spawn(
            shell,
            {"bash": ["--norc", "--noprofile", "-i"], "zsh": ["-f", "-i"]}[shell],
            env={
                **os.environ,
                "PATH": f"{PROJECT / '.venv' / 'bin'}:{os.environ['PATH']}",
                "XDG_STATE_HOME": str(tmp_path / "state"),
                "TERM": "dumb",
                "PS1": "",
            },
            cwd=str(tmp_path),
            encoding="utf-8",
            timeout=LIMIT_S,
            dimensions=(50, 200),
        )
        try:
            child.sendline(f". {begin}")
            child.expect_exact(f"{PROMPT} ")
            child.send(f"{line}\t\x18k")
            child.sendline("echo '<''end>'")
            child.expect_exact("<end>")
            return seen.read_text(), str(child.before)
        finally:
            child.close(force=True)

    return typed


@pytest.mark.parametrize("name", commands())
def test_the_shells_accept_the_syntax_of_the_files(share: Path, name: str) -> None:
    shells: list[list[str | Path]] = [
        ["bash", "-n", share / "bash-completion" / "completions" / name],
        ["zsh", "-n", share / "zsh" / "site-functions" / f"_{name}"],
    ]
    for words in shells:
        done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=LIMIT_S)
        assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize(
    ("line", "completed"),
    [
        ("ssi-start --fr", "ssi-start --fresh "),
        ("ssi-start 2 --dry", "ssi-start 2 --dry-run "),
        ("ssi-start 1", "ssi-start 1"),
        ("ssi-start 9", "ssi-start 9 "),
        ("ssi-image ver", "ssi-image verify "),
        ("ssi-image ls roo", "ssi-image ls root_fs "),
        ("ssi-image verify root_fs --compare resc", "ssi-image verify root_fs --compare rescue.tar "),
        ("ssi-start --image ima", "ssi-start --image images/"),
        ("ssi-cp resc", "ssi-cp rescue.tar "),
        ("ssi-status --cluster k", "ssi-status --cluster kiwi "),
        ("mkfs_gfs --format gfs2 -d resc", "mkfs_gfs --format gfs2 -d rescue.tar "),
        ("gfsconf --forc", "gfsconf --force "),
        ("ptool --state roo", "ptool --state root_fs "),
    ],
)
def test_a_line_is_completed(press: Press, line: str, completed: str) -> None:
    assert press(line)[0].rstrip() == completed.rstrip()


def test_the_subcommands_are_offered_and_nothing_else(press: Press) -> None:
    shown = press("ssi-image ")[1]
    assert set(re.findall(r"\b(?:info|ls|cat|extract|map|verify)\b", shown)) == {
        "info",
        "ls",
        "cat",
        "extract",
        "map",
        "verify",
    }
    assert "root_fs" not in shown


def test_the_same_call_gives_the_same_bytes(share: Path, tmp_path: Path) -> None:
    for path in write_completions(tmp_path):
        assert path.read_bytes() == (share / path.relative_to(tmp_path)).read_bytes()
        assert str(PROJECT) not in path.read_text()

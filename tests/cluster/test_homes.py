"""The commands, called by a user without a home or with one that cannot be used, and with closed streams."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from programs import NOBODY, UNKNOWN_ID, as_user

LIMIT_S = 60.0
NO_HOME = (
    "error: the state of clusters and pools has no place: HOME is not set to an absolute path, and user "
    "12345 has no home in the password database\n  "
)


def call(
    *words: str | Path,
    environ: tuple[str, ...] = (),
    redirected: str = "",
    user: int = UNKNOWN_ID,
) -> tuple[int, str]:
    """Call a command as a user without a home. Return its exit status and what it prints."""
    command, *rest = words
    shell = ("bash", "-o", "pipefail", "-c", f'"$@" {redirected}', "-")
    program = (sys.executable, "-P", "-m", f"ssiuml.cli.{command}")
    done = subprocess.run(
        [*as_user(user), *environ, *shell, *program, *rest],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=LIMIT_S,
    )
    assert "Traceback" not in done.stdout
    assert "Exception ignored" not in done.stdout
    return done.returncode, done.stdout


CLUSTER = ["start", "status", "stop", "add 1", "rm 1", "exec 1 -- true", "cp 1:/x .", "console 1"]


@pytest.mark.parametrize("words", CLUSTER)
def test_a_cluster_without_a_place_is_refused_with_what_to_set(words: str) -> None:
    assert call(*words.split()) == (
        2,
        f"{NO_HOME}set XDG_STATE_HOME or HOME to a folder where you may write\n",
    )


@pytest.mark.parametrize(
    "words", ["passemble", "mkfs_gfs -p lock_nolock -t a:b /dev/pool/p", "image ls /dev/pool/p"]
)
def test_pools_without_a_place_are_refused_with_what_to_give(words: str) -> None:
    hint = "give --state FILE, or set XDG_STATE_HOME or HOME to a folder where you may write\n"
    assert call(*words.split()) == (2, f"{NO_HOME}{hint}")


def test_plain_files_need_no_home(tmp_path: Path) -> None:
    with (tmp_path / "image").open("wb") as stream:
        stream.truncate(256 << 20)
    words = ("mkfs_gfs", "-q", "-p", "lock_nolock", "-t", "a:b", "-J", "32")
    assert call(*words, tmp_path / "image") == (0, "")
    assert call("image", "ls", tmp_path / "image")[0] == 0
    assert call("passemble", "--state", tmp_path / "state")[1].startswith("error: no pool found")


def test_a_clusters_folder_that_cannot_be_made_is_named_with_its_variable(
    short_path: Path, make_image: Callable[..., Path]
) -> None:
    image = make_image(short_path / "image")
    home = short_path / "home"
    home.mkdir(mode=0o555)

    def refused(variable: str) -> tuple[int, str]:
        return call("start", "--image", image, environ=(f"{variable}={home}",), user=NOBODY)

    hint = "to a folder where you may write\n"
    said = f"error: {home}/ssiuml: Permission denied\n  set XDG_STATE_HOME {hint}"
    assert refused("XDG_STATE_HOME") == (1, said)
    said = (
        f"error: {home}/.local: Permission denied\n  set XDG_STATE_HOME, or HOME, which is '{home}', {hint}"
    )
    assert refused("HOME") == (1, said)


def test_a_user_for_whom_ssh_does_not_work_is_told_before_anything_is_made(
    short_path: Path, make_image: Callable[..., Path]
) -> None:
    image = make_image(short_path / "image")
    assert call("start", "--image", image, environ=(f"XDG_STATE_HOME={short_path}/s",)) == (
        2,
        "error: user 12345 has no entry in the password database, and ssh, which leads to the nodes, "
        "refuses to work for such a user\n"
        "  add an entry for this user to /etc/passwd, or run the command as another user\n",
    )
    assert not (short_path / "s").exists()


@pytest.mark.parametrize("redirected", ["| true", ">&- 2>&-", "<&- >&- 2>&-"])
@pytest.mark.parametrize("words", ["start --help", "image --help", "status"])
def test_nothing_is_said_to_whom_does_not_listen(words: str, redirected: str, tmp_path: Path) -> None:
    environ = (f"XDG_STATE_HOME={tmp_path}",)
    said = call(*words.split(), environ=environ, redirected=f"2>/dev/null {redirected}")[1]
    assert said == ""


@pytest.mark.parametrize("words", ["start --help", "image --help"])
def test_output_that_is_lost_is_an_error(words: str) -> None:
    said = call(*words.split(), redirected=">/dev/full")
    assert said == (1, "error: standard output: No space left on device\n")

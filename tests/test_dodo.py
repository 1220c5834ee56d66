"""dodo.py through doit's command line, in a copy of the checkout with a cache of its own."""

import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

import pytest
import yaml
from processes import is_alive, wait_until
from programs import as_user, tool
from project import PROJECT

from ssiuml.host.run import find_tool

COPIED = ("dodo.py", "pyproject.toml", "LICENSE", "recipes", "templates", "cluster-tools", "ssiuml")
LIMIT_S = 60.0

# A mkfs.gfs2 that spoils what it should format, says that it has begun, and takes for ever.
SLOW_MKFS = """#!/bin/sh
for image; do :; done
echo half >"$image"
echo $$ >"$BEGUN"
sleep 300
"""


@dataclass
class Checkout:
    """A copy of this project's files; ``doit`` runs in it as a user would."""

    path: Path
    environ: dict[str, str]

    prefix: tuple[str, ...] = ()

    def start(self, *words: str, **environ: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [*self.prefix, sys.executable, "-P", "-m", "ssiuml.pipeline.doit_main", *words],
            cwd=self.path,
            env={**self.environ, **environ},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def doit(self, *words: str, status: int = 0, **environ: str) -> str:
        """Run doit to its end; what it printed. No run may show a traceback."""
        process = self.start(*words, **environ)
        output = "".join(process.communicate(timeout=LIMIT_S))
        assert process.returncode == status, output
        assert "Traceback" not in output, output
        return output

    def recipe(self, name: str, text: str) -> None:
        (self.path / "recipes" / f"{name}.yaml").write_text(text)

    @property
    def out(self) -> Path:
        """Where the images of trixie-min lie."""
        return self.path / "images" / "trixie-min"

    def files(self) -> set[str]:
        return {str(path.relative_to(self.path)) for path in self.path.rglob("*")}


@pytest.fixture
def checkout(tmp_path: Path) -> Checkout:
    path = tmp_path / "checkout"
    path.mkdir()
    for name in COPIED:
        source = PROJECT / name
        if source.is_dir():
            shutil.copytree(source, path / name, ignore=shutil.ignore_patterns("__pycache__", ".*"))
        else:
            shutil.copy(source, path / name)
    (path / "images").mkdir()
    environ = {
        **os.environ,
        "PYTHONPATH": str(path),
        "PYTHONDONTWRITEBYTECODE": "1",
        "SSIUML_CACHE": str(tmp_path / "cache"),
    }
    environ.pop("SOURCE_DATE_EPOCH", None)
    return Checkout(path, environ)


MIN = "recipe=trixie-min"
# A kernel fills an image that mkfs has made.
FILLED = "description: mine\nextends: trixie-min\nfilesystem: {writer: appliance}\n"


def check_with_fsck(image: Path) -> None:
    program = find_tool("fsck.gfs2")
    assert program is not None
    result = subprocess.run([program, "-n", image], capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout + result.stderr


def test_the_copy_is_what_is_imported(checkout: Checkout) -> None:
    script = "import ssiuml; print(ssiuml.__file__)"
    text = subprocess.run(
        [sys.executable, "-c", script],
        cwd="/",
        env=checkout.environ,
        capture_output=True,
        text=True,
        check=True,
    )
    assert Path(text.stdout.strip()).is_relative_to(checkout.path)


def test_list_shows_the_steps_in_the_order_of_the_howto_each_with_a_line(checkout: Checkout) -> None:
    lines = [line.split(maxsplit=1) for line in checkout.doit("list").splitlines()]
    assert [words[0] for words in lines if len(words) < 2] == []
    names = [words[0] for words in lines]
    howto = ["fetch", "base", "sparse", "cluster-config", "mkfs", "cluster-tools", "kernel", "modules"]
    howto += ["config", "prune", "copy-root", "initrd", "build-root"]
    assert [name for name in names if name in howto] == howto
    assert {"host-tools", "check", "recipes", "show", "explain", "lock", "distclean", "lint", "test"} <= set(
        names
    )


def test_list_of_rh72_reads_like_section_5_of_the_howto(checkout: Checkout) -> None:
    names = [line.split()[0] for line in checkout.doit("recipe=rh72", "list").splitlines()]
    howto = ["fetch", "base", "sparse", "cluster-config", "ptool", "passemble", "gfsconf", "mkfs"]
    howto += [
        "cluster-tools",
        "kernel",
        "modules",
        "opengfs",
        "config",
        "demo",
        "prune",
        "copy-root",
        "initrd",
        "build-root",
    ]
    assert names[: names.index("build-root") + 1] == ["host-tools", *howto]


def test_every_task_and_subtask_is_documented(checkout: Checkout) -> None:
    text = checkout.doit("list", "--all", "--template", "{name}|{doc}\n", "-q")
    undocumented = [
        line
        for line in text.splitlines()
        if line.endswith("|") and not line.startswith(("lint:", "initrd:", "release:"))
    ]
    assert "build-root|" in text
    assert undocumented == []


@pytest.mark.parametrize(
    "words", [["list"], ["list", "--all"], ["help", "mkfs"], ["explain"], ["show"], ["recipes"]]
)
def test_looking_writes_nothing(checkout: Checkout, words: list[str]) -> None:
    before = checkout.files()
    checkout.doit(*words)
    assert checkout.files() == before
    assert not Path(checkout.environ["SSIUML_CACHE"]).exists()


def test_recipes_lists_every_recipe_also_a_broken_one(checkout: Checkout) -> None:
    checkout.recipe("mine", "description: my very own\nextends: trixie\n")
    checkout.recipe("broken", "description: [\n")
    lines = checkout.doit("-s", "recipes").splitlines()
    rows = dict(line.split(maxsplit=1) for line in lines if not line.startswith((".", "--")))
    assert {"trixie", "trixie-min", "broken", "mine"} <= rows.keys()
    assert rows["mine"] == "my very own"
    assert "broken.yaml" in rows["broken"]


def test_what_show_prints_is_a_recipe_that_shows_the_same(checkout: Checkout) -> None:
    def shown(name: str) -> str:
        text = checkout.doit("-s", f"recipe={name}", "show")
        return "".join(line for line in text.splitlines(keepends=True) if not line.startswith((".  ", "-- ")))

    first = shown("trixie-min")
    assert yaml.safe_load(first)["cluster"]["node_limit"] == 3
    assert "extends" not in yaml.safe_load(first)
    checkout.recipe("copy", first)
    assert shown("copy") == first


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("description: mine\nextends: trixie\nfilesytem: {}\n", r"recipes/mine\.yaml:3: .*filesytem"),
        ("description: mine\nextends: [\n", r"recipes/mine\.yaml:\d"),
        (
            "description: mine\nextends: trixie\ncluster: {node_limit: 16}\n",
            r"recipes/mine\.yaml:3: .*node_limit",
        ),
        ("description: mine\nextends: bokworm\n", r"recipes/mine\.yaml:2: .*bokworm"),
        ("", r"recipes/mine\.yaml:1: "),
    ],
    ids=["unknown key", "bad YAML", "bad value", "bad extends", "empty"],
)
def test_a_wrong_recipe_ends_with_file_line_and_status_3(
    checkout: Checkout, text: str, expected: str
) -> None:
    checkout.recipe("mine", text)
    output = checkout.doit("recipe=mine", "sparse", status=3)
    assert re.search(expected, output), output


def test_an_unknown_recipe_ends_with_those_there_are_and_status_3(checkout: Checkout) -> None:
    output = checkout.doit("recipe=bookwurm", "sparse", status=3)
    assert "bookwurm" in output
    assert "trixie-min" in output


def test_a_bad_source_date_epoch_ends_with_status_3(checkout: Checkout) -> None:
    assert "'today'" in checkout.doit("sparse", status=3, SOURCE_DATE_EPOCH="today")


@pytest.mark.parametrize("words", [[], ["info"], ["list"], ["clean"], ["forget"], ["explain"]], ids=" ".join)
def test_an_unknown_task_is_named(checkout: Checkout, words: list[str]) -> None:
    output = checkout.doit(*words, "no-such-task", status=1 if words == ["explain"] else 3)
    assert "no-such-task" in output
    assert len(output.splitlines()) <= 5


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (
            ["recip=trixie-min", "show"],
            "recip=trixie-min: there is no variable 'recip'\n"
            "  use one of recipe=, offline=, frozen=, newest=, signers=, tier=",
        ),
        (["show", "=x"], "=x: there is no variable ''\n  use one of recipe=, offline=, "),
        (
            ["offline=1", "fetch"],
            "offline=1: '1' is not a value of this variable\n  give offline=yes or offline=no",
        ),
        (
            ["frozen=", "fetch"],
            "frozen=: '' is not a value of this variable\n  give frozen=yes or frozen=no",
        ),
        (["", "show"], "'' is not a task\n  run ./run list to see the tasks"),
        (["-n", "-1", "recipes"], "-n -1: is less than 0\n  give 0 or more"),
        (["list", "--nothing"], "Error parsing Command: option --nothing not recognized\n"),
        (["show", "--nothing"], "Error parsing Task: option --nothing not recognized\n"),
        (["-o", "/nonexistent/x", "recipes"], "/nonexistent/x: No such file or directory\n"),
        (
            ["list", "--template", "{nothing}"],
            "--template {nothing}: is not a template: 'nothing'\n"
            "  use {name}, {doc} and {status} in it, and {{ for a brace\n",
        ),
    ],
)
def test_a_wrong_call_ends_with_a_message_and_status_3(
    checkout: Checkout, words: list[str], said: str
) -> None:
    assert checkout.doit(*words, status=3).startswith(f"ERROR: {said}")


def shell(checkout: Checkout, line: str) -> "subprocess.CompletedProcess[str]":
    """Have bash run a line in which $DOIT is the program. Its status is that of the first that fails."""
    program = f"{shlex.quote(sys.executable)} -P -m ssiuml.pipeline.doit_main"
    return subprocess.run(
        ["bash", "-o", "pipefail", "-c", line.replace("$DOIT", program)],
        cwd=checkout.path,
        env=checkout.environ,
        capture_output=True,
        text=True,
        timeout=LIMIT_S,
    )


@pytest.mark.parametrize("redirected", ["| true", "2>&1 | true", ">&-", ">&- 2>&-", "<&- >&- 2>&-"])
@pytest.mark.parametrize("task", ["recipes", "info recipes", "cluster-config"])
def test_nothing_is_said_to_whom_does_not_listen(checkout: Checkout, task: str, redirected: str) -> None:
    done = shell(checkout, f"$DOIT {MIN} {task} {redirected}")
    assert (done.stdout, done.stderr) == ("", "")
    assert done.returncode == (1 if task == "info recipes" else 0)  # doit's info: 1 if it is not up to date
    assert task != "cluster-config" or (checkout.out / "config" / "etc" / "hosts").is_file()


@pytest.mark.parametrize("task", ["show", "list", "cluster-config"])
def test_output_that_is_lost_is_an_error(checkout: Checkout, task: str) -> None:
    done = shell(checkout, f"$DOIT {MIN} {task} >/dev/full")
    assert done.stderr == "ERROR: standard output: No space left on device\n"
    assert done.returncode == 1


def test_a_file_is_not_opened_as_a_closed_standard_output(checkout: Checkout) -> None:
    """The kernel gives the lowest free descriptor to what is opened first, such as the build lock."""
    done = shell(checkout, f"$DOIT {MIN} sparse cluster-config >&-")
    assert (done.stderr, done.returncode) == ("", 0)
    holder = checkout.out / ".lock"
    assert holder.read_bytes() == b""


NO_HOME = (
    "the cache has no place: HOME is not set to an absolute path, and user 12345 has no home in the password "
    "database\n  set SSIUML_CACHE or HOME to a folder where you may write"
)


@pytest.mark.parametrize("words", [["list"], ["show"], ["explain"], ["cluster-config"], ["info", "recipes"]])
def test_what_needs_no_home_works_for_a_user_without_one(checkout: Checkout, words: list[str]) -> None:
    checkout.prefix = as_user()
    checkout.doit(
        MIN, *words, status=1 if words[0] == "info" else 0
    )  # doit's info: 1 if it is not up to date


def test_a_user_without_a_home_is_told_what_to_set(checkout: Checkout) -> None:
    for home in ((), ("HOME=",), ("HOME=relative",)):
        checkout.prefix = (*as_user(), *home)
        assert f"\n{NO_HOME}\n" in checkout.doit(MIN, "fetch", status=1)
    checkout.prefix = (*as_user(), "SSIUML_CACHE=~/cache")
    said = "SSIUML_CACHE=~/cache: this home is not known\n  give it as an absolute path\n"
    assert said in checkout.doit(MIN, "fetch", status=1)


@pytest.mark.parametrize("name", ["home", "home/of/one", "file"])
def test_a_home_that_cannot_be_used_is_named_with_its_variable(
    checkout: Checkout, tmp_path: Path, name: str
) -> None:
    (tmp_path / "home").mkdir(mode=0o555)
    (tmp_path / "file").touch()
    home = tmp_path / name
    checkout.prefix = (*as_user(), f"HOME={home}")
    first, why = {
        "home": ("home/.cache", "Permission denied"),
        "home/of/one": ("home/of", "Permission denied"),
        "file": ("file/.cache/ssiuml/downloads/fetch-[0-9a-f]+.json", "Not a directory"),
    }[name]
    hint = f"set SSIUML_CACHE, or HOME, which is '{home}', to a folder where you may write"
    assert re.search(f"\n{tmp_path}/{first}: {why}\n  {hint}\n", checkout.doit(MIN, "fetch", status=1))


def test_a_cache_of_another_user_is_named_with_its_variable(checkout: Checkout, tmp_path: Path) -> None:
    (tmp_path / "cache").mkdir(mode=0o555)
    checkout.prefix = (*as_user(), f"SSIUML_CACHE={tmp_path}/cache")
    output = checkout.doit(MIN, "fetch", status=1)
    assert f"{tmp_path}/cache/downloads: Permission denied\n  set SSIUML_CACHE to a folder where" in output


def test_in_a_checkout_of_another_user_one_can_look_and_is_told_where_to_build(checkout: Checkout) -> None:
    checkout.doit(MIN, "sparse", "cluster-config")
    checkout.prefix = as_user()
    tool("chmod", "-R", "a-w", checkout.path)
    try:
        for words in (["list"], ["show"], ["explain"], ["recipes"], ["sparse"]):
            checkout.doit(MIN, *words)
        hint = "make a checkout of your own, or call ./run as the owner of this one"
        output = checkout.doit("sparse", status=1)
        assert f"{checkout.path}/images/trixie: Permission denied\n  {hint}\n" in output
        output = checkout.doit(MIN, "mkfs", status=1)
        assert f": Permission denied\n  {hint}\n" in output
    finally:
        tool("chmod", "-R", "u+w", checkout.path)


def test_an_output_file_lies_where_the_user_is(checkout: Checkout) -> None:
    done = shell(checkout, "mkdir ../here && cd ../here && $DOIT -o list.txt recipes && cat list.txt")
    assert done.stdout.splitlines()[-1] == ".  recipes"


def test_sparse_cluster_config_and_mkfs_are_made_and_then_up_to_date(checkout: Checkout) -> None:
    first = checkout.doit(MIN, "sparse", "cluster-config", "mkfs")
    assert all(f".  {name}" in first for name in ("sparse", "cluster-config", "mkfs"))
    assert (checkout.out / "blank" / "root_fs").stat().st_blocks == 0
    assert (checkout.out / "formatted" / "root_fs").stat().st_size == 1 << 30
    assert (checkout.out / "config" / "etc" / "corosync" / "corosync.conf").is_file()
    check_with_fsck(checkout.out / "formatted" / "root_fs")
    before = checkout.files()

    second = checkout.doit(MIN, "sparse", "cluster-config", "mkfs")
    assert all(f"-- {name}" in second for name in ("sparse", "cluster-config", "mkfs"))
    assert checkout.files() == before
    assert not list(checkout.out.rglob("*.part"))


def test_the_bases_cache_is_not_touched_by_steps_that_need_none(checkout: Checkout) -> None:
    checkout.doit(MIN, "mkfs", "cluster-config")
    assert not Path(checkout.environ["SSIUML_CACHE"]).exists()


def truncate(path: Path) -> None:
    os.truncate(path, 5000)


@pytest.mark.parametrize("damage", [truncate, Path.unlink], ids=["truncated", "deleted"])
def test_a_target_that_is_not_as_it_was_left_is_made_again(
    checkout: Checkout, damage: Callable[[Path], None]
) -> None:
    checkout.recipe("mine", FILLED)
    checkout.doit("recipe=mine", "mkfs")
    image = checkout.path / "images" / "mine" / "formatted" / "root_fs"
    damage(image)
    explained = checkout.doit("-s", "recipe=mine", "explain")
    assert re.search(rf"^mkfs .*\n +{re.escape(str(image))} (is gone|was changed since)", explained, re.M)
    assert ".  mkfs" in checkout.doit("recipe=mine", "mkfs")
    check_with_fsck(image)
    assert "-- mkfs" in checkout.doit("recipe=mine", "mkfs")


def test_a_forgotten_task_is_made_again(checkout: Checkout) -> None:
    checkout.doit(MIN, "mkfs", "cluster-config")
    assert checkout.doit(MIN, "forget", "mkfs") == "forgetting mkfs\n"
    assert re.search(r"^mkfs +never made", checkout.doit("-s", MIN, "explain", "mkfs"), re.M)
    output = checkout.doit(MIN, "mkfs", "cluster-config")
    assert (".  mkfs" in output, "-- sparse" in output, "-- cluster-config" in output) == (True, True, True)
    assert "forget: no task is named" in checkout.doit(MIN, "forget", status=3)


def test_explain_leaves_out_what_the_writer_of_the_root_does_not_need(checkout: Checkout) -> None:
    explained = checkout.doit("-s", MIN, "explain")
    assert re.search(r"^copy-root +never made$", explained, re.MULTILINE)
    assert not re.search(r"^(sparse|mkfs)", explained, re.MULTILINE)
    checkout.recipe("mine", FILLED)
    assert re.search(r"^mkfs +never made$", checkout.doit("-s", "recipe=mine", "explain"), re.MULTILINE)


def test_explain_of_a_task_leaves_out_what_it_does_not_need(checkout: Checkout) -> None:
    explained = checkout.doit("-s", MIN, "explain", "initrd:config")
    names = [line.split()[0] for line in explained.splitlines() if "never made" in line]
    assert names == ["cluster-config", "initrd-config"]
    assert "2 of 2 steps would be made: 2 not timed yet" in explained
    for name in ("nonsense", "release:nonsense"):
        assert f"{name}: is no task with a step" in checkout.doit(MIN, "explain", name, status=1)
    assert "initrd-config" in checkout.doit("-s", MIN, "explain", "initrd:image")


def test_explain_says_how_long_steps_took_and_what_would_follow(checkout: Checkout) -> None:
    checkout.doit(MIN, "initrd:config")
    explained = checkout.doit("-s", MIN, "explain", "initrd:config")
    assert re.search(r"^cluster-config +up to date +\d+\.\d s$", explained, re.MULTILINE)
    assert "all 2 steps are up to date" in explained
    with (checkout.path / "templates" / "hosts.j2").open("a") as template:
        template.write("10.9.8.7 printer\n")
    explained = checkout.doit("-s", MIN, "explain", "initrd:config")
    digests = r"[0-9a-f]{12} -> [0-9a-f]{12}"
    assert re.search(rf"^ +changed: templates\.hosts\.j2: {digests}$", explained, re.MULTILINE)
    assert re.search(r"^initrd-config +would follow .*\n +after cluster-config$", explained, re.MULTILINE)
    assert re.search(r"^2 of 2 steps would be made: they took \d+ s the last time$", explained, re.MULTILINE)


def test_the_graph_is_a_picture_with_every_step_and_its_state(checkout: Checkout) -> None:
    checkout.doit(MIN, "cluster-config")
    checkout.doit(MIN, "graph")
    text = (checkout.out / "graph.svg").read_text()
    root = ElementTree.fromstring(text)  # noqa: S314 - our own
    words = ["".join(each.itertext()) for each in root.iter() if each.tag.endswith("}text")]
    assert {"fetch", "copy-root", "release-root", "cluster-config"} <= set(words)
    assert any(word.startswith("up to date, ") for word in words)


def test_report_of_what_is_not_built_says_what_to_do(checkout: Checkout) -> None:
    assert "run ./run build-root, then ./run report" in checkout.doit(MIN, "report", status=1)


def test_explain_names_the_reason_after_a_change_of_the_recipe(checkout: Checkout) -> None:
    checkout.recipe("mine", FILLED)
    checkout.doit("recipe=mine", "mkfs", "cluster-config")
    explained = checkout.doit("-s", "recipe=mine", "explain")
    assert re.findall(r"^(sparse|mkfs|cluster-config) +up to date", explained, re.MULTILINE)

    checkout.recipe("mine", FILLED.replace("writer", "journals: 4, writer"))
    explained = checkout.doit("-s", "recipe=mine", "explain")
    assert re.search(r"^mkfs .*\n +changed: filesystem\.journals: 3 -> 4$", explained, re.MULTILINE)
    assert re.search(r"^cluster-config +up to date", explained, re.MULTILINE)
    again = checkout.doit("recipe=mine", "mkfs", "cluster-config")
    assert ".  mkfs" in again
    assert "-- sparse" in again
    assert "-- cluster-config" in again


def test_a_changed_template_makes_the_configuration_again(checkout: Checkout) -> None:
    checkout.doit(MIN, "cluster-config")
    with (checkout.path / "templates" / "hosts.j2").open("a") as template:
        template.write("10.9.8.7 printer\n")
    assert ".  cluster-config" in checkout.doit(MIN, "cluster-config")
    assert "printer" in (checkout.out / "config" / "etc" / "hosts").read_text()


def test_a_wrong_template_fails_with_file_line_and_status_1(checkout: Checkout) -> None:
    (checkout.path / "templates" / "hosts.j2").write_text("127.0.0.1 localhost\n{{ nodes_limit }}\n")
    output = checkout.doit(MIN, "cluster-config", status=1)
    assert "hosts.j2:2" in output
    assert "nodes_limit" in output


def test_clean_removes_what_was_made_and_dry_only_says_so(checkout: Checkout) -> None:
    checkout.doit(MIN, "mkfs", "cluster-config")
    before = checkout.files()
    said = checkout.doit(MIN, "clean", "-n", "mkfs", "sparse", "cluster-config")
    assert f"removing '{checkout.out}/formatted/root_fs'" in said
    assert checkout.files() == before

    checkout.doit(MIN, "clean", "mkfs", "sparse", "cluster-config")
    assert {path.name for path in checkout.out.iterdir()} <= {".lock"}
    assert checkout.out.is_dir()
    assert ".  mkfs" in checkout.doit(MIN, "mkfs")


def test_clean_of_all_tasks_leaves_recipes_and_cache_alone(checkout: Checkout) -> None:
    sources = checkout.files()
    cached = Path(checkout.environ["SSIUML_CACHE"]) / "downloads" / "mine.deb"
    cached.parent.mkdir(parents=True)
    cached.write_text("x")
    checkout.doit(MIN, "mkfs", "cluster-config")
    checkout.doit(MIN, "clean", "--clean-all")
    assert sources <= checkout.files()
    assert not (checkout.out / "formatted").exists()
    assert cached.exists()


def test_distclean_removes_all_that_was_built(checkout: Checkout) -> None:
    checkout.doit(MIN, "mkfs", "cluster-config")
    checkout.doit(MIN, "distclean")
    assert not checkout.out.exists()
    checkout.doit(MIN, "distclean")
    assert ".  sparse" in checkout.doit(MIN, "sparse")


def test_a_second_build_of_the_recipe_is_refused_with_the_pid_of_the_first(checkout: Checkout) -> None:
    script = (
        "import sys; from pathlib import Path; from ssiuml.host import session\n"
        "session.begin(Path(sys.argv[1])); print('held', flush=True); sys.stdin.read()\n"
    )
    first = subprocess.Popen(
        [sys.executable, "-c", script, checkout.out],
        env=checkout.environ,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert first.stdout is not None
    assert first.stdout.readline() == "held\n"
    refused = checkout.doit(MIN, "sparse", status=1)
    other = checkout.doit("sparse")
    first.communicate(timeout=LIMIT_S)
    assert "another build of this recipe is running" in refused
    assert f"process {first.pid}" in refused
    assert ".  sparse" in other, "a build of another recipe was hindered"
    checkout.doit(MIN, "sparse")


@pytest.mark.parametrize(
    ("number", "status"), [(signal.SIGTERM, 143), (signal.SIGINT, 130), (signal.SIGKILL, -9)]
)
def test_a_build_stopped_in_a_step_leaves_no_target_and_the_next_makes_it_right(
    checkout: Checkout, tmp_path: Path, number: signal.Signals, status: int
) -> None:
    fake = tmp_path / "fake"
    fake.mkdir()
    (fake / "mkfs.gfs2").write_text(SLOW_MKFS)
    (fake / "mkfs.gfs2").chmod(0o755)
    begun = tmp_path / "begun"
    path = f"{fake}:{checkout.environ['PATH']}"
    process = checkout.start(MIN, "mkfs", PATH=path, BEGUN=str(begun))
    wait_until(lambda: begun.exists() and begun.read_text().endswith("\n"), "the begin of mkfs.gfs2")
    process.send_signal(number)
    output = "".join(process.communicate(timeout=LIMIT_S))
    assert process.returncode == status, output
    assert "Traceback" not in output, output
    image = checkout.out / "formatted" / "root_fs"
    assert not image.exists()
    assert ("stopping" in output) == (number != signal.SIGKILL)
    program = int(begun.read_text())
    wait_until(lambda: not is_alive(program), "the end of mkfs.gfs2")

    again = checkout.doit(MIN, "mkfs")
    assert "-- sparse" in again or number == signal.SIGKILL, "what had been finished was forgotten"
    check_with_fsck(image)
    assert not list(checkout.out.rglob("*.part"))


def test_a_failing_program_is_told_with_its_command_and_last_lines(
    checkout: Checkout, tmp_path: Path
) -> None:
    fake = tmp_path / "fake"
    fake.mkdir()
    (fake / "mkfs.gfs2").write_text("#!/bin/sh\necho the disk is haunted >&2\nexit 7\n")
    (fake / "mkfs.gfs2").chmod(0o755)
    process = checkout.start(MIN, "mkfs", PATH=f"{fake}:{checkout.environ['PATH']}")
    listed, output = process.communicate(timeout=LIMIT_S)
    assert process.returncode == 1
    assert listed == "-- host-tools\n.  sparse\n.  mkfs\n"
    assert output.splitlines()[-1].strip() == "the disk is haunted", "the message is not the last thing said"
    assert "mkfs.gfs2 -q" in output
    assert "exit status 7" in output
    assert "the disk is haunted" in output
    assert not (checkout.out / "formatted" / "root_fs").exists()


def test_no_network_fails_fetch_with_status_1_and_the_mirror(checkout: Checkout) -> None:
    mirror = "http://127.0.0.1:9/debian"
    chosen = f"distribution: {{mirror: '{mirror}', security_mirror: null}}"
    checkout.recipe("mine", f"description: mine\nextends: trixie\n{chosen}\n")
    output = checkout.doit("recipe=mine", "fetch", status=1)
    assert f"whether {mirror} is the right mirror" in output
    assert re.search(rf"package linux-source-7\.3 .*\n.*{mirror}/pool/main/.*: .*refused", output)
    assert "stale" not in output

    checkout.recipe("mine", f"description: mine\nextends: trixie\n{chosen}\nextra_packages: [gdb]\n")
    (checkout.path / "recipes" / "trixie.lock").unlink()
    output = checkout.doit("recipe=mine", "fetch", status=1)
    assert "recipes/mine.lock does not lock the packages" in output
    assert re.search(r"package lists of trixie-backports cannot be fetched: .*127\.0\.0\.1", output)


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("mine", "extra_packages: [gdb]", "recipes/mine.lock does not lock the packages"),
        ("mine", "kernel: {package: linux-source-6.1}", "recipes/mine.lock does not lock linux-source-6.1"),
        ("rh72", "", "recipes/rh72.lock does not pin the source 'base'"),
    ],
)
@pytest.mark.parametrize("task", ["build-root", "lock"])
def test_frozen_refuses_what_is_not_locked_before_anything_is_made(
    checkout: Checkout, name: str, text: str, said: str, task: str
) -> None:
    checkout.recipe("mine", f"description: mine\nextends: trixie\n{text}\n")
    before = checkout.files()
    output = checkout.doit("frozen=yes", f"recipe={name}", task, status=3)
    assert said in output
    assert checkout.files() == before
    assert not Path(checkout.environ["SSIUML_CACHE"]).exists()


@pytest.mark.parametrize("name", ["trixie", "trixie-min", "bookworm", "bookworm-ssi"])
def test_our_recipes_are_locked(checkout: Checkout, name: str) -> None:
    """Renewed together with the recipe: ./run recipe=NAME lock."""
    assert ".  sparse" in checkout.doit("frozen=yes", f"recipe={name}", "sparse")


def test_lock_without_network_fails_and_leaves_the_lock(checkout: Checkout) -> None:
    chosen = "distribution: {mirror: 'http://127.0.0.1:9/debian', security_mirror: null}"
    checkout.recipe("mine", f"description: mine\nextends: trixie\n{chosen}\n")
    before = (checkout.path / "recipes" / "trixie.lock").read_bytes()
    output = checkout.doit("recipe=mine", "lock", status=1)
    assert "package lists of trixie-backports cannot be fetched" in output
    assert (checkout.path / "recipes" / "trixie.lock").read_bytes() == before
    assert not (checkout.path / "recipes" / "mine.lock").exists()


def test_damaged_lock_ends_with_file_and_key_and_status_3(checkout: Checkout) -> None:
    (checkout.path / "recipes" / "trixie.lock").write_text("base: {suite: 5}\n")
    output = checkout.doit("list", status=3)
    assert "recipes/trixie.lock: base." in output

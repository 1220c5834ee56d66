"""The task graph: from a recipe to a root image, a kernel and a RAM disk that boot.

``doit [recipe=NAME] [offline=yes] [frozen=yes] TASK``; without a task it is build-root. What the steps do is
in the package ssiuml.
"""

import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from doit import get_var
from doit.tools import Interactive

from ssiuml import ci
from ssiuml.host import session
from ssiuml.host import tools as host
from ssiuml.pipeline import doit_tasks
from ssiuml.pipeline.build import OWN_PARTS, Build
from ssiuml.pipeline.explain import explanation
from ssiuml.pipeline.plan import make_plan
from ssiuml.pipeline.states import states_of
from ssiuml.recipe.dump import dump_recipe
from ssiuml.recipe.load import list_recipes
from ssiuml.recipe.unverified import unverified
from ssiuml.release.verifying import verify_release

PROJECT = Path(__file__).parent
RECIPES = PROJECT / "recipes"
OFFLINE = get_var("offline", "no") == "yes"
FROZEN = get_var("frozen", "no") == "yes"
PLAN = doit_tasks.load(
    lambda: make_plan(get_var("recipe", "bookworm"), PROJECT, os.environ, offline=OFFLINE, frozen=FROZEN)
)
BUILD = doit_tasks.load(lambda: Build(PLAN))
doit_tasks.load(BUILD.require_locked)
OUT = PLAN.places.out
WORKFLOWS = PROJECT / ".github" / "workflows"
SHELL_SCRIPTS = (
    "run",
    ".ci/run",
    "ssiuml/images/appliance/init",
    "ssiuml/images/appliance/run-in-tree",
    "cluster-tools/initrd/*",
    "cluster-tools/debian/rc*",
    "cluster-tools/debian/host-keys",
    "cluster-tools/debian/where_pid",
    "cluster-tools/debian/ssh",
    "templates/release/setup",
)

session.stop_on_signals()

DOIT_CONFIG = {
    "default_tasks": ["build-root"],
    "backend": "sqlite3",
    "dep_file": str(PROJECT / "images" / f".doit-{PLAN.loaded.name}.db"),
    "verbosity": 1,
    # Steps that do not need each other run side by side: the kernel is unpacked while the base is installed.
    "num_process": 2,
    "par_type": "thread",
    "sort": "definition",
}


def step(step_name: str, **more: Any) -> doit_tasks.Task | None:
    """The task of a step; None, which is no task, where the recipe has no such step."""
    if step_name not in BUILD.steps:
        return None
    return doit_tasks.task_of(BUILD.steps[step_name], OUT, **{"basename": step_name, **more})


def steps_of(name: str) -> Iterator[doit_tasks.Task]:
    """The subtasks of *name*: one for each step that begins so."""
    for one in BUILD.steps.values():
        if one.name.startswith(name):
            subtask = one.name.removeprefix(name).removeprefix("-") or OWN_PARTS[name]
            yield doit_tasks.task_of(one, OUT, basename=name, name=subtask)


def need(tools: tuple[host.HostTool, ...]) -> tuple[Any, ...]:
    """An action that makes sure of programs of the host."""
    return (doit_tasks.reported(host.require), [tools])


def task_host_tools() -> doit_tasks.Task | None:
    """Check that the programs the build needs are on this machine; install them where root may."""
    return {
        "basename": "host-tools",
        "actions": [need(host.HOST_TOOLS)],
        "uptodate": [lambda: not host.missing(host.HOST_TOOLS)],
    }


def task_fetch() -> doit_tasks.Task | None:
    """Download packages, kernel and sources, verified, into the cache (HOWTO 2.1, 4.1, 5.1)."""
    return step("fetch")


def task_base() -> doit_tasks.Task | None:
    """Make the base layer: the distribution's packages, or its image (HOWTO 5.1)."""
    return step("base")


def task_sparse() -> doit_tasks.Task | None:
    """Make the blank image for the root, one large hole (HOWTO 5.2)."""
    return step("sparse")


def task_cluster_config() -> doit_tasks.Task | None:
    """Write the cluster's configuration: nodes, addresses, timings, lock table (HOWTO 5.2)."""
    return step("cluster-config")


def task_ptool() -> doit_tasks.Task | None:
    """Write the pools' labels on the blank images (HOWTO 5.2)."""
    return step("ptool")


def task_passemble() -> doit_tasks.Task | None:
    """Find out where in the images /dev/pool/NAME lies (HOWTO 5.2)."""
    return step("passemble")


def task_gfsconf() -> doit_tasks.Task | None:
    """Write the lock table: root_cidev (HOWTO 5.2)."""
    return step("gfsconf")


def task_mkfs() -> doit_tasks.Task | None:
    """Make the cluster file system with its journals in the blank image (HOWTO 5.2)."""
    return step("mkfs")


def task_cluster_tools() -> doit_tasks.Task | None:
    """Install the cluster tools: boot scripts, inittab.ssi, rc.nodeup (HOWTO 5.3, 5.4)."""
    return step("cluster-tools")


def task_kernel() -> doit_tasks.Task | None:
    """Build the User-Mode Linux kernel, linux-ssi, or take it from its package (HOWTO 4.1 to 4.4)."""
    return step("kernel")


def task_modules() -> doit_tasks.Task | None:
    """Install the kernel's modules into the root (HOWTO 4.6, 5.5)."""
    return step("modules")


def task_opengfs() -> doit_tasks.Task | None:
    """Build OpenGFS for User-Mode Linux and install it into the root (HOWTO 4.7)."""
    return step("opengfs")


def task_config() -> doit_tasks.Task | None:
    """Configure the root: cluster files, first password, own files of the recipe (HOWTO 5.6)."""
    return step("config")


def task_demo() -> doit_tasks.Task | None:
    """Install the demonstration program, dbdemo (HOWTO 5.6)."""
    return step("demo")


def task_prune() -> doit_tasks.Task | None:
    """Remove services that do not run on a shared root from rc3.d (HOWTO 5.6)."""
    return step("prune")


def task_copy_root() -> doit_tasks.Task | None:
    """Write the cluster file system with the tree in it and check it: root_fs (HOWTO 5.2, 5.7)."""
    return step("copy-root")


def task_initrd() -> Iterator[doit_tasks.Task]:
    """Build the RAM disk that joins the cluster and mounts the root: initrd-ssi.img (HOWTO 4.8)."""
    return steps_of("initrd")


def task_build_root() -> doit_tasks.Task | None:
    """Build root image, kernel and RAM disk, and describe them in manifest.json."""
    return step("build-root")


def task_check() -> doit_tasks.Task | None:
    """Boot one node from a copy of the images; have foreign programs look at the root, and compare."""

    def check() -> None:
        from ssiuml.cluster.smoke import check_images

        session.begin(OUT)
        if PLAN.recipe.can_boot:
            check_images(OUT)
        BUILD.check_root()

    return {"actions": [doit_tasks.reported(check)], "task_dep": ["build-root", "mkfs"], "verbosity": 2}


def task_hygiene() -> doit_tasks.Task | None:
    """Look for what does not belong into a release: secrets, leftovers, unexpected set-id programs."""
    return step("hygiene")


def task_cluster_test() -> doit_tasks.Task | None:
    """Boot two nodes from the images, have them share a file, stop them: what a release rests on."""
    return step("cluster-test")


def task_release() -> Iterator[doit_tasks.Task]:
    """Make the release: tarballs of root, kernel and commands, their digests, a signature over these."""
    return steps_of("release")


def task_release_verify() -> doit_tasks.Task:
    """Hold the release against SHA256SUMS, and that against its signature, by signers=FILE."""

    def verify() -> None:
        signers = get_var("signers", None)
        for line in verify_release(PLAN.places.releases, None if signers is None else Path(signers)):
            print(line)

    return {"basename": "release-verify", "actions": [doit_tasks.reported(verify)], "verbosity": 2}


def task_recipes() -> doit_tasks.Task | None:
    """List the recipes, a line each."""

    def show() -> None:
        for name, description in list_recipes(RECIPES):
            print(f"{name:20} {description}")

    return {"actions": [doit_tasks.reported(show)], "verbosity": 2}


def task_show() -> doit_tasks.Task | None:
    """Print the recipe with all that it extends and all defaults, and what of it is not verified."""

    def show() -> None:
        print(dump_recipe(PLAN.recipe), end="")
        for line in (*BUILD.command_lines(), *unverified(PLAN.recipe)):
            print(f"# {line}")

    return {"actions": [doit_tasks.reported(show)], "verbosity": 2}


def task_explain() -> doit_tasks.Task:
    """Say which steps would be made now and why, and how long they took: of the release, or of a TASK."""

    def show(tasks: list[str]) -> None:
        states = states_of(BUILD.needed_by(*(tasks or ["release"])))
        coloured = sys.__stdout__ is not None and sys.__stdout__.isatty() and "NO_COLOR" not in os.environ
        print("\n".join(explanation(states, coloured=coloured)))

    return {"actions": [doit_tasks.reported(show)], "pos_arg": "tasks", "verbosity": 2}


def task_graph() -> doit_tasks.Task:
    """Draw the steps, what each is made from and whether it would be made now: images/RECIPE/graph.svg."""

    def draw() -> None:
        from ssiuml.report.pages import write_graph

        print(write_graph(BUILD, PLAN))

    return {"actions": [doit_tasks.reported(draw)], "verbosity": 2}


def task_report() -> doit_tasks.Task:
    """Write a page about the build: times, sizes, packages, a map of the root: images/RECIPE/report.html."""

    def write() -> None:
        from ssiuml.report.pages import write_report

        print(write_report(BUILD, PLAN))

    return {"actions": [doit_tasks.reported(write)], "verbosity": 2}


def task_lock() -> doit_tasks.Task | None:
    """Lock the packages that the mirrors have now, in recipes/NAME.lock, and show what changed."""

    def lock() -> None:
        session.begin(OUT)
        print("\n".join(BUILD.renew_lock()))

    return {"actions": [doit_tasks.reported(lock)], "task_dep": ["host-tools"], "verbosity": 2}


def task_distclean() -> doit_tasks.Task | None:
    """Remove all that was built from the recipe, and the recipe's share of the cache."""

    def remove() -> None:
        session.begin(OUT)
        BUILD.remove_cached()
        shutil.rmtree(OUT)

    return {"actions": [doit_tasks.reported(remove)], "verbosity": 2}


def task_lint() -> Iterator[doit_tasks.Task]:
    """Check form, types, shell scripts and workflows: ruff, mypy, shellcheck, check-jsonschema, zizmor."""
    scripts = [str(path) for pattern in SHELL_SCRIPTS for path in sorted(PROJECT.glob(pattern))]
    commands = {
        "format": doit_tasks.python("ruff", "format", "--check", "--quiet", "."),
        "ruff": doit_tasks.python("ruff", "check", "--quiet", "."),
        "mypy": doit_tasks.python("mypy"),
        "imports": [str(Path(sys.executable).with_name("lint-imports")), "--no-cache"],
        "shellcheck": ["shellcheck", *scripts],
        "workflows": doit_tasks.python(
            "check_jsonschema",
            "--quiet",
            "--builtin-schema",
            "vendor.github-workflows",
            *map(str, sorted(WORKFLOWS.glob("*.yml"))),
        ),
        "zizmor": [str(Path(sys.executable).with_name("zizmor")), "--offline", "--quiet", str(WORKFLOWS)],
    }
    for name, command in commands.items():
        tools = [need(host.LINT_TOOLS)] if name == "shellcheck" else []
        yield {"name": name, "actions": [*tools, command], "verbosity": 2}


def pytest(*words: str) -> doit_tasks.Task:
    return {
        "actions": [need(host.TEST_TOOLS), Interactive(doit_tasks.python("pytest", *words), shell=False)],
        "task_dep": ["host-tools"],
        "verbosity": 2,
    }


def task_test() -> doit_tasks.Task | None:
    """Run the tests, those that boot nodes included."""
    return pytest("-m", "not long")


def task_test_long() -> doit_tasks.Task | None:
    """Run the tests that take long."""
    return {"basename": "test-long", **pytest("-m", "long")}


def task_ci() -> doit_tasks.Task | None:
    """Do what continuous integration does: lint, tests, releases; say at the end what came of each."""

    def run_parts(parts: str) -> None:
        ci.run_parts(parts.split(","), PROJECT, os.environ)

    words = {
        "name": "parts",
        "long": "parts",
        "default": ",".join(ci.PARTS),
        "help": "some of them, by commas",
    }
    return {"actions": [doit_tasks.reported(run_parts)], "params": [words], "verbosity": 2}


def task_stand_ins() -> doit_tasks.Task | None:
    """Make stand-ins for the downloads of 2002, and the recipe rh72-stand-ins that takes them."""
    words = doit_tasks.python(
        "redhat", str(PROJECT / "images" / "stand-ins"), str(RECIPES / "rh72-stand-ins.yaml")
    )
    action = Interactive(words, shell=False, cwd=PROJECT / "tests" / "support")
    return {
        "basename": "stand-ins",
        "actions": [need(host.TEST_TOOLS), action],
        "task_dep": ["host-tools"],
        "verbosity": 2,
    }


def task_bench() -> doit_tasks.Task | None:
    """Measure build and cluster against their peers, as ratios."""
    of_recipe = [
        doit_tasks.python(name, PLAN.loaded.name)
        for name in ("bench.build", "bench.gfs", "bench.cluster", "bench.release")
    ]
    others = [doit_tasks.python(name) for name in ("bench.ext2", "bench.rh72")]
    return {
        "actions": [Interactive(words, shell=False) for words in (*of_recipe, *others)],
        "task_dep": ["build-root"],
        "verbosity": 2,
    }

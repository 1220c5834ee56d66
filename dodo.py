"""The task graph: from a recipe to a root image, a kernel and a RAM disk that boot as a cluster.

``doit [recipe=NAME] [offline|frozen|newest=yes] [TASK]`` runs TASK, by default build-root. Each task of a
build has a module of its name in ssiuml/pipeline/steps, with the inputs, work and results of its steps.
"""

import os
from collections.abc import Iterator
from pathlib import Path

from doit import get_var
from doit.exceptions import InvalidTask

from ssiuml.host import session, tools
from ssiuml.pipeline import commands
from ssiuml.pipeline.doit_tasks import Task, load, needs, prints, program, python, runs, tasks_of
from ssiuml.pipeline.plan import make_plan

PROJECT = Path(__file__).parent
SWITCHES = {name: get_var(name, "no") == "yes" for name in ("offline", "frozen", "newest")}

# The steps that make the images, in the order of the HOWTO. A step that is not named here comes after them.
IMAGES = (
    # 2.1, 4.1, 5.1: the downloads, and the distribution, which is the lowest layer
    *("fetch", "base"),
    # 5.2: the root's file system, in a pool for GFS1, and the lock server's table
    *("sparse", "cluster-config", "ptool", "passemble", "gfsconf", "mkfs"),
    # 5.3, 5.4: the cluster tools
    "cluster-tools",
    # 4.1 to 4.7, 5.5: the kernel, its modules, OpenGFS
    *("kernel", "modules", "opengfs"),
    # 5.6: changes in the root
    *("config", "demo", "prune"),
    # 5.2, 5.7: the tree becomes the root image
    "copy-root",
    # 4.8: the RAM disk
    "initrd",
    "build-root",
)
# The steps that make a release of these images.
RELEASE = ("hygiene", "cluster-test", "release")
# One more than there are processors, since many tests mostly wait.
WORKERS = str(len(os.sched_getaffinity(0)) + 1)
TIERS = ("docs", "release", "historic", "boot", "build", "unit")
SHELL_SCRIPTS = (
    *("run", ".ci/run", "templates/release/setup", "cluster-tools/initrd/*"),
    *("ssiuml/images/appliance/init", "ssiuml/images/appliance/run-in-tree"),
    *(f"cluster-tools/debian/{name}" for name in ("rc*", "host-keys", "where_pid", "ssh", "ssh-server")),
)

session.stop_on_signals()
PLAN = load(lambda: make_plan(get_var("recipe", "trixie"), PROJECT, os.environ, **SWITCHES))
GRAPH = load(lambda: commands.graph_of(PLAN, IMAGES))
OUT = PLAN.places.out

DOIT_CONFIG = {
    "default_tasks": ["build-root"],
    # doit's database of finished tasks is of no use: each step has a stamp. This one is no file.
    **{"backend": "sqlite3", "dep_file": ":memory:"},
    "verbosity": 1,
    # Steps that do not need each other run side by side: the kernel is unpacked while the base is installed.
    "num_process": 2,
    "par_type": "thread",
    "sort": "definition",
}


def task_host_tools() -> Task:
    """Check that the programs the build needs are on this machine; install them where root may."""
    return {
        "basename": "host-tools",
        "actions": [needs(tools.HOST_TOOLS)],
        "uptodate": [lambda: not tools.missing(tools.HOST_TOOLS)],
    }


def task_images() -> Iterator[Task]:
    yield from tasks_of(GRAPH, *IMAGES, *(task for task in GRAPH.tasks() if task not in (*IMAGES, *RELEASE)))


def task_check() -> Task:
    """Boot a node from a copy of the images; check the root with foreign programs, compare its contents."""
    return {**prints(commands.check, GRAPH), "task_dep": ["build-root", "mkfs"]}


def task_release_steps() -> Iterator[Task]:
    yield from tasks_of(GRAPH, *RELEASE)


def task_release_verify() -> Task:
    """Compare the tarballs with SHA256SUMS, and verify its signature (signers=FILE: whom you trust)."""
    return {"basename": "release-verify", **prints(commands.release_verify, PLAN, get_var("signers", None))}


def task_recipes() -> Task:
    """List the recipes, a line each."""
    return prints(commands.recipes, PROJECT)


def task_show() -> Task:
    """Print the recipe with all that it extends and all defaults, and list what is not verified."""
    return prints(commands.show, GRAPH)


def task_explain() -> Task:
    """Print which steps the release, or a TASK, would make now, why, and how long each took."""
    return {**prints(commands.explain, GRAPH), "pos_arg": "tasks"}


def task_graph() -> Task:
    """Draw the steps, what each is made from and whether it would be made now: images/RECIPE/graph.svg."""

    def draw() -> Iterator[str]:
        from ssiuml.report.pages import write_graph

        yield str(write_graph(GRAPH))

    return prints(draw)


def task_report() -> Task:
    """Write a page about the build: times, sizes, packages, a map of the root: images/RECIPE/report.html."""

    def write() -> Iterator[str]:
        from ssiuml.report.pages import write_report

        yield str(write_report(GRAPH))

    return prints(write)


def task_lock() -> Task:
    """Lock the packages that the mirrors have now, in recipes/NAME.lock, and show what changed."""
    return {**prints(commands.lock, PLAN), "task_dep": ["host-tools"]}


def task_distclean() -> Task:
    """Remove all that was built from the recipe, and the recipe's share of the cache."""
    return prints(commands.distclean, GRAPH)


def task_lint() -> Iterator[Task]:
    """Check form, types, spelling, imports between folders, shell scripts and workflows."""
    workflows = sorted(map(str, PROJECT.glob(".github/workflows/*.yml")))
    schema = ("--quiet", "--builtin-schema", "vendor.github-workflows")
    scripts = [str(path) for pattern in SHELL_SCRIPTS for path in sorted(PROJECT.glob(pattern))]
    checks = {
        "format": python("ruff", "format", "--check", "--quiet", "."),
        "ruff": python("ruff", "check", "--quiet", "."),
        "mypy": python("mypy"),
        "imports": program("lint-imports", "--no-cache"),
        "shellcheck": ["shellcheck", *scripts],
        "shfmt": program("shfmt", "--diff", *scripts),
        "typos": program("typos", "--config", "pyproject.toml", "."),
        "workflows": python("check_jsonschema", *schema, *workflows),
        "zizmor": program("zizmor", "--offline", "--quiet", *workflows),
    }
    for name, command in checks.items():
        needed = needs(tools.LINT_TOOLS if name == "shellcheck" else ())
        yield {"name": name, "actions": [needed, command], "verbosity": 2}


def task_test() -> Task:
    """Run the tests, those that boot nodes included, side by side."""
    return runs(python("pytest", "-n", WORKERS, "-m", "not long"), needed=tools.TEST_TOOLS)


def task_test_long() -> Task:
    """Run the long tests: all, or those of one tier (tier=NAME)."""
    chosen = get_var("tier", None)
    if chosen is not None and chosen not in TIERS:
        raise InvalidTask(f"tier={chosen}: there is no such tier of tests\n  give one of {', '.join(TIERS)}")
    # A test with the markers of several tiers belongs to the first of them in TIERS.
    others = TIERS[: TIERS.index(chosen)] if chosen else ()
    words = " and ".join(["long", *([chosen] if chosen else ()), *(f"not {tier}" for tier in others)])
    task = runs(python("pytest", "-n", WORKERS, "-m", words), needed=tools.TEST_TOOLS)
    return {"basename": "test-long", **task}


def task_coverage() -> Task:
    """Measure which branches the tests cover that need no build and no node."""
    counted = ("--cov=ssiuml", "--cov-branch", "--cov-report=term:skip-covered", "--cov-report=xml")
    return runs(python("pytest", "-n", WORKERS, "-m", "unit and not long", *counted), needed=tools.TEST_TOOLS)


def task_stand_ins() -> Task:
    """Make stand-ins for the downloads of 2002, and the recipe rh72-stand-ins that uses them."""
    words = ("redhat", str(PROJECT / "images/stand-ins"), str(PROJECT / "recipes/rh72-stand-ins.yaml"))
    support = PROJECT / "tests" / "support"
    return {"basename": "stand-ins", **runs(python(*words), needed=tools.TEST_TOOLS, cwd=support)}


def task_bench() -> Task:
    """Measure builds, file systems and clusters as ratios to other programs."""
    of_recipe = [python(f"bench.{name}", PLAN.loaded.name) for name in ("build", "gfs", "cluster", "release")]
    others = [python(f"bench.{name}") for name in ("ext2", "layer", "rh72")]
    return {**runs(*of_recipe, *others), "task_dep": ["build-root"]}

"""Which code a step depends on: compared with what Python's modulefinder finds; and every file touched."""

import functools
import os
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from modulefinder import ModuleFinder
from pathlib import Path

import pytest
from programs import LIMIT_S

import ssiuml
from ssiuml.host import code
from ssiuml.host.cache import Key
from ssiuml.host.code import code_digest, code_of, foreign_packages, imported_by
from ssiuml.pipeline.graph import Graph
from ssiuml.pipeline.plan import make_plan

PACKAGE = Path(ssiuml.__file__).parent
PROJECT = PACKAGE.parent
BROUGHT_ALONG = {"tqdm", "filelock"}
SCRIPTS: Mapping[str, str] = tomllib.loads((PROJECT / "pyproject.toml").read_text())["project"]["scripts"]
# Together they have every step.
RECIPES = ("trixie-min", "bookworm-ssi", "rh72", "rh72-cvs", "rh72-old-root")
# The modules whose results are kept in the cache.
CACHING = (
    "ssiuml.debian.base",
    "ssiuml.historic.base_image",
    "ssiuml.historic.kernel",
    "ssiuml.kernel.linux_source",
    "ssiuml.kernel.packed",
)


class Finder(ModuleFinder):
    """Follows imports in byte code, within the package only."""

    def find_module(self, name, path, parent=None):  # type: ignore[no-untyped-def]
        if path is None and name != "ssiuml":
            raise ImportError(name)
        return super().find_module(name, path, parent)


@pytest.fixture(scope="module")
def runnable(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the package without imports for type checkers: these are dead code, without byte code."""
    copy = tmp_path_factory.mktemp("runnable")
    shutil.copytree(PACKAGE, copy / "ssiuml")
    for path in copy.rglob("*.py"):
        path.write_text(re.sub(r"^(\s*)if TYPE_CHECKING:", r"\1if 0:", path.read_text(), flags=re.MULTILINE))
    return copy


@pytest.fixture(scope="module")
def found(runnable: Path) -> "functools._lru_cache_wrapper[frozenset[str]]":
    """A function that finds the imports of a module with modulefinder."""

    @functools.cache
    def find(module: str) -> frozenset[str]:
        finder = Finder([str(runnable)])
        finder.import_hook(module)
        return frozenset(finder.modules)

    return find


def files_of(modules: Iterable[str]) -> set[str]:
    """Return the files of *modules* and the data files of packages, from the file system."""
    files = set()
    for name in modules:
        path = PROJECT.joinpath(*name.split("."))
        if path.is_dir():
            files |= {each for each in path.iterdir() if each.is_file() and each.suffix != ".py"}
            path /= "__init__"
        files.add(path.with_suffix(".py"))
    return {str(path.relative_to(PROJECT)) for path in files}


@pytest.mark.parametrize("module", CACHING)
def test_imports_are_those_that_modulefinder_finds(
    found: "functools._lru_cache_wrapper[frozenset[str]]", module: str
) -> None:
    assert imported_by(module) == found(module)


def roots(tmp_path: Path) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Yield the steps of all recipes, each with the modules that make it."""
    for recipe in RECIPES:
        for step in Graph(make_plan(recipe, PROJECT, {"SSIUML_CACHE": str(tmp_path)})).steps.values():
            assert step.modules or step.name == "fetch", f"{recipe}: step {step.name} has no code"
            yield f"{recipe}: {step.name}", step.modules


def test_a_changed_file_makes_exactly_the_steps_stale_that_import_it(
    found: "functools._lru_cache_wrapper[frozenset[str]]", tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(PACKAGE, copy / "ssiuml", ignore=shutil.ignore_patterns("__pycache__"))
    steps = dict(roots(tmp_path))
    expected = {name: files_of(set().union(*map(found, modules))) for name, modules in steps.items()}
    monkeypatch.setattr(code, "_folder", lambda: copy / "ssiuml")

    def codes() -> dict[tuple[str, ...], dict[str, str]]:
        code._digests.cache_clear()
        return {modules: code_of(*modules) for modules in set(steps.values())}

    before = codes()
    try:
        for path in sorted(path for path in (copy / "ssiuml").rglob("*") if path.is_file()):
            kept, name = path.read_bytes(), str(path.relative_to(copy))
            path.write_bytes(kept + b"# touched\n")
            now = codes()
            path.write_bytes(kept)
            stale = {step for step, modules in steps.items() if now[modules] != before[modules]}
            assert stale == {step for step, files in expected.items() if name in files}, name
        assert codes() == before
    finally:
        code._digests.cache_clear()


def test_layers_depend_on_the_code_that_writes_layers(tmp_path: Path) -> None:
    """They did not when two inputs had the same key, and the second value replaced the first."""
    steps = {name: code_of(*modules) for name, modules in roots(tmp_path)}
    for name in ("cluster-tools", "modules", "config", "prune"):
        assert {"ssiuml/tree/layer.py", "ssiuml/tree/tree.py"} <= steps[f"trixie-min: {name}"].keys()


def test_the_base_of_an_image_depends_on_the_code_that_decompresses_it() -> None:
    """It did for the step but not for the cache, so that the step got a stale entry."""
    key = Key(kind="base", inputs={}, suffix=".tar", module="ssiuml.historic.base_image")
    assert "ssiuml/tree/compressed.py" in code_of(key.module)
    assert key.values()["code"] == code_digest("ssiuml.historic.base_image")


def test_an_input_called_code_is_an_error() -> None:
    with pytest.raises(ValueError, match="two values for code"):
        Key(kind="base", inputs={"code": "mine"}, suffix=".tar", module="ssiuml.debian.base").digest()


def test_a_module_that_does_not_exist_is_an_error() -> None:
    with pytest.raises(ValueError, match=r"ssiuml\.no_such: there is no such module"):
        code_of("ssiuml.no_such")


def test_foreign_modules_have_no_files() -> None:
    assert code_of("json", "test_code") == {}


@pytest.mark.parametrize("command", SCRIPTS)
def test_each_command_needs_only_the_packages_that_a_release_contains(command: str) -> None:
    foreign = foreign_packages(SCRIPTS[command].partition(":")[0])
    assert set(foreign) <= BROUGHT_ALONG | {"PIL"}
    assert foreign.get("PIL", set()) <= {"ssiuml.inspect.drawing"}


def test_a_foreign_package_comes_with_the_modules_that_import_it() -> None:
    assert foreign_packages("ssiuml.host.progress")["tqdm"] == {"ssiuml.host.progress"}


# Prints whether grimp has read the sources of a copy of the package, and the files of a module.
_FIND = """
import sys
from pathlib import Path
from ssiuml.host import code
code._folder = lambda: Path(sys.argv[1])
sys.path.insert(0, str(Path(sys.argv[1]).parent))
files = code.code_of('ssiuml.units')
print('grimp' in sys.modules, *files)
"""


def _find_in(package: Path, *options: str) -> tuple[bool, str]:
    """Return whether grimp has read the sources, and the files of ssiuml.units."""
    environ = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    words = [sys.executable, *options, "-c", _FIND, str(package)]
    output = subprocess.run(
        words, capture_output=True, text=True, check=True, timeout=LIMIT_S, cwd=PROJECT, env=environ
    ).stdout
    read, _, files = output.strip().partition(" ")
    return read == "True", files


def test_imports_are_found_once_until_a_file_changes(tmp_path: Path) -> None:
    package = tmp_path / "ssiuml"
    shutil.copytree(PACKAGE, package, ignore=shutil.ignore_patterns("__pycache__"))
    read, before = _find_in(package)
    assert read
    assert _find_in(package) == (False, before)
    with (package / "units.py").open("a") as stream:
        stream.write("\nfrom ssiuml import errors\n")
    read, after = _find_in(package)
    assert read
    assert set(after.split()) == {*before.split(), "ssiuml/errors.py"}
    assert _find_in(package) == (False, after)


@pytest.mark.parametrize("damage", ["", "{", "[]", '{"files": 3}'])
def test_damaged_saved_imports_are_found_again(tmp_path: Path, damage: str) -> None:
    package = tmp_path / "ssiuml"
    shutil.copytree(PACKAGE, package, ignore=shutil.ignore_patterns("__pycache__"))
    _, before = _find_in(package)
    (saved,) = package.glob("__pycache__/*.json")
    saved.write_text(damage)
    assert _find_in(package) == (True, before)
    assert _find_in(package) == (False, before)


def test_nothing_is_saved_for_a_python_that_saves_no_modules(tmp_path: Path) -> None:
    package = tmp_path / "ssiuml"
    shutil.copytree(PACKAGE, package, ignore=shutil.ignore_patterns("__pycache__"))
    _find_in(package, "-B")
    assert not list(package.rglob("*.json"))


# Prints the modules that Python has loaded in the end.
_LOADED = """
import importlib, sys
for name in sys.argv[1:]:
    importlib.import_module(name)
print(*sorted(name for name in sys.modules if name.partition('.')[0] == 'ssiuml'), sep='\\n')
"""


def test_all_modules_that_python_loads_are_found() -> None:
    commands = [entry.partition(":")[0] for entry in SCRIPTS.values()]
    process = subprocess.run(
        [sys.executable, "-c", _LOADED, *commands],
        capture_output=True, text=True, check=True, timeout=LIMIT_S, cwd=PROJECT,
    )  # fmt: skip
    loaded = set(process.stdout.split())
    assert len(loaded) > len(commands)
    assert loaded <= imported_by(*commands)

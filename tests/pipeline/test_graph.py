"""The graph of a plan: which steps there are, in what order, and what a new module among them does."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from doit.task import dict_to_task
from project import PROJECT

from ssiuml.errors import UsageError
from ssiuml.pipeline import graph as graph_module
from ssiuml.pipeline.doit_tasks import tasks_of
from ssiuml.pipeline.graph import Graph, layer_order, step_modules
from ssiuml.pipeline.plan import Plan, make_plan

# Those of trixie, as section 5 of the HOWTO has them.
LAYERS = ["base", "cluster-tools", "modules", "config", "prune"]

MODULE = '''
"""Add a file that says hello."""

from ssiuml.tree.layer import Layer

OVER = "cluster-tools"

def add(graph):
    graph.add_layer("hello", Layer, after=["base"], inputs=lambda: {"greeting": "hello"})
'''


@pytest.fixture
def plan(tmp_path: Path) -> Plan:
    return make_plan("trixie-min", PROJECT, {"SSIUML_CACHE": str(tmp_path)})


@pytest.fixture
def hello(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A module more among the steps."""
    (tmp_path / "hello.py").write_text(MODULE)
    steps = __import__(graph_module.STEPS, fromlist=["__path__"])
    monkeypatch.setattr(steps, "__path__", [*steps.__path__, str(tmp_path)])
    yield
    monkeypatch.delitem(__import__("sys").modules, f"{graph_module.STEPS}.hello", raising=False)


def test_steps_come_after_those_that_they_are_made_from(plan: Plan) -> None:
    for order in ((), ("release", "initrd")):
        seen: set[str] = set()
        for step in Graph(plan, order).steps.values():
            assert {before.name for before in step.after} <= seen
            seen.add(step.name)


def test_the_order_that_is_asked_for_is_kept_as_far_as_possible(plan: Plan) -> None:
    names = list(Graph(plan, ("mkfs", "base")).steps)
    assert names[:4] == ["sparse", "mkfs", "fetch", "base"]


def test_layers_lie_over_each_other_as_their_modules_say(plan: Plan) -> None:
    assert Graph(plan).layers == LAYERS
    assert [step.name for step in Graph(plan).steps["copy-root"].after] == LAYERS


@pytest.mark.usefixtures("hello")
def test_a_layer_step_is_one_new_file(plan: Plan) -> None:
    graph = Graph(plan)
    assert graph.layers == ["base", "cluster-tools", "hello", "modules", "config", "prune"]
    assert "hello" in [step.name for step in graph.steps["copy-root"].after]
    step = graph.steps["hello"]
    assert step.reasons() == ["it has not been made yet"]
    ((task,)) = tasks_of(graph, "hello")
    assert task["doc"] == "Add a file that says hello."
    assert dict_to_task({"name": task.pop("basename"), **task}).task_dep == ["host-tools", "base"]


def test_a_layer_over_an_unknown_one_is_an_error_that_names_it() -> None:
    assert layer_order({"b": "a", "a": None, "c": "a", "d": "b"}) == ["a", "b", "d", "c"]
    with pytest.raises(ValueError, match=r"no known layer: d, x$"):
        layer_order({"a": None, "x": "y", "d": "x"})


def test_a_step_made_from_one_that_the_recipe_lacks_is_an_error(plan: Plan) -> None:
    with pytest.raises(ValueError, match="step new: is made from 'ptool'"):
        Graph(plan).add("new", dict, after=["ptool"])


def test_a_step_depends_on_the_module_that_adds_it_whatever_it_calls(plan: Plan) -> None:
    modules = {name: step.modules for name, step in Graph(plan).steps.items()}
    assert modules.pop("fetch") == ()
    for name, found in modules.items():
        task = next(each for each in step_modules() if name == each or name.startswith(f"{each}-"))
        assert f"{graph_module.STEPS}.{task.replace('-', '_')}" in found


def test_a_graph_contains_the_steps_of_its_recipe_and_no_others(plan: Plan) -> None:
    graph = Graph(plan)
    assert "initrd-tools" in graph
    assert "ptool" not in graph
    assert "nonsense" not in graph
    assert graph.present("kernel", "opengfs", "release-kernel") == ["kernel", "release-kernel"]


def test_steps_are_found_by_task_and_by_name_and_no_other(plan: Plan) -> None:
    graph = Graph(plan)
    for name in ("initrd:config", "initrd-config"):
        assert [step.name for step in graph.needed_by(name)] == ["cluster-config", "initrd-config"]
    assert graph.needed_by("initrd") == graph.needed_by("initrd:image")
    with pytest.raises(UsageError, match=r"^initrd:nonsense: is no task with a step"):
        graph.needed_by("initrd:nonsense")


def test_every_task_has_a_description(plan: Plan) -> None:
    for task, (description, steps) in Graph(plan).tasks().items():
        assert description.endswith((".", ")")), task
        assert steps

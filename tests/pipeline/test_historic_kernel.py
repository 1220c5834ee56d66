"""The kernel of 2002 as an input of steps."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from project import PROJECT

from ssiuml.pipeline.graph import Graph
from ssiuml.pipeline.plan import make_plan
from ssiuml.pipeline.step import StepError
from ssiuml.pipeline.steps._historic_kernel import HistoricKernel
from ssiuml.recipe.kernel import ReleaseKernel


@pytest.mark.historic
def test_a_source_that_the_recipe_names_since_fetch_was_made_is_an_error_with_a_hint(tmp_path: Path) -> None:
    plan = make_plan("rh72", PROJECT, {"SSIUML_CACHE": str(tmp_path)})
    graph = Graph(replace(plan, places=replace(plan.places, out=tmp_path)))
    stamp = graph.steps["fetch"].stamp
    stamp.parent.mkdir(parents=True)
    stamp.write_text(json.dumps({"inputs": {}, "results": {"sources": {}}, "outputs": {}}))
    assert isinstance(graph.recipe.kernel, ReleaseKernel)
    with pytest.raises(StepError, match=r"^source '\w+' has not been fetched\n  run \./run fetch$"):
        HistoricKernel(graph, graph.recipe.kernel).inputs()

"""The step cluster-config: the configuration files, made from templates."""

from ssiuml import cluster_config
from ssiuml.build.stepgraph import StepGraph
from ssiuml.steps import Values, digest_of, folder_digest


def add_steps(graph: StepGraph) -> None:
    """Add cluster-config."""
    plan, recipe = graph.plan, graph.recipe

    def inputs() -> Values:
        return {
            "variables": cluster_config.variables(recipe),
            "templates": folder_digest(plan.places.templates),
        }

    def write() -> Values:
        cluster_config.write_files(plan.places.templates, recipe, plan.config)
        return {"files": digest_of(cluster_config.read_files(recipe, plan.config))}

    files = [plan.config / path for path in cluster_config.files(recipe)]
    graph.add("cluster-config", [], inputs, write, *files)

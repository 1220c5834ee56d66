"""The step cluster-config: the configuration files, made from templates."""

from ssiuml.host.digests import Values, digest_of, file_sha256
from ssiuml.layers import cluster_config
from ssiuml.pipeline.graph import StepGraph


def add_steps(graph: StepGraph) -> None:
    """Add cluster-config."""
    plan, recipe = graph.plan, graph.recipe

    def inputs() -> Values:
        names = sorted(set(cluster_config.templates_of(recipe).values()))
        return {
            "variables": cluster_config.variables(recipe),
            "templates": {name: file_sha256(plan.places.templates / name) for name in names},
        }

    def write() -> Values:
        cluster_config.write_files(plan.places.templates, recipe, plan.config)
        return {"files": digest_of(cluster_config.read_files(recipe, plan.config))}

    files = [plan.config / path for path in cluster_config.files(recipe)]
    graph.add("cluster-config", [], inputs, write, *files)

"""Write the cluster's configuration: nodes, addresses, timings, lock server table (HOWTO 5.2)."""

from typing import TYPE_CHECKING

from ssiuml.host.digests import digest_of, file_sha256

if TYPE_CHECKING:
    from ssiuml.host.digests import Values
    from ssiuml.pipeline.graph import Graph


def add(graph: "Graph") -> None:
    """Add cluster-config: each file from its template."""
    from ssiuml.layers import cluster_config

    plan, recipe = graph.plan, graph.recipe

    def inputs() -> "Values":
        names = sorted(set(cluster_config.templates_of(recipe).values()))
        return {
            "variables": cluster_config.variables(recipe),
            "templates": {name: file_sha256(plan.places.templates / name) for name in names},
        }

    def write() -> "Values":
        cluster_config.write_files(plan.places.templates, recipe, plan.config)
        return {"files": digest_of(cluster_config.read_files(recipe, plan.config))}

    files = [plan.config / path for path in cluster_config.files(recipe)]
    graph.add("cluster-config", write, *files, inputs=inputs)

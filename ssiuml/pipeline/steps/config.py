"""Configure the root: cluster files, first password, own files of the recipe (HOWTO 5.6)."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ssiuml.host.digests import Values
    from ssiuml.pipeline.graph import Graph
    from ssiuml.tree.layer import Layer

OVER = "opengfs"


def add(graph: "Graph") -> None:
    """Add config."""
    plan, recipe = graph.plan, graph.recipe

    def configure() -> "Layer":
        from ssiuml.historic.uml_changes import uml_layer
        from ssiuml.layers.cluster_config import image_files
        from ssiuml.layers.configure import config_layer
        from ssiuml.tree.layer import Layer

        tree = graph.tree("base", "cluster-tools")
        layer = config_layer(plan.loaded, image_files(recipe, plan.config), tree, plan.mtime_ns)
        if recipe.uml is None:
            return layer
        # The recipe's own files, which are in the other layer, replace these changes.
        changes = uml_layer(tree, recipe.uml.ubd_devices, recipe.uml.inittab, plan.mtime_ns)
        return Layer(entries=[*changes.entries, *layer.entries])

    def inputs() -> "Values":
        from ssiuml.layers.configure import user_content
        from ssiuml.tree.tree import sha256_of

        return {
            "files": [
                {**entry.model_dump(mode="json"), "sha256": sha256_of(user_content(plan.loaded, number))}
                for number, entry in enumerate(recipe.files)
            ],
            "root_password_hash": recipe.root_password_hash,
            "uml": None if recipe.uml is None else recipe.uml.model_dump(mode="json"),
            "mtime_ns": plan.mtime_ns,
        }

    graph.add_layer("config", configure, after=["base", "cluster-tools", "cluster-config"], inputs=inputs)

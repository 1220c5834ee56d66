"""The prune layer: services that do not start in runlevel 3, removed by whiteouts (HOWTO 5.6)."""

import re
from typing import Final

from ssiuml.errors import RecipeError
from ssiuml.recipe.load import LoadedRecipe
from ssiuml.tree.layer import Layer
from ssiuml.tree.tree import Tree

RUNLEVELS: Final = ("etc/rc3.d", "etc/rc.d/rc3.d")  # Caldera has the latter alone
_ENTRY: Final = re.compile(r"S\d\d(.+)")


def prune_layer(loaded: LoadedRecipe, tree: Tree) -> Layer:
    """Return the layer that removes /etc/rc3.d/S??NAME for each name in the recipe's prune list.

    RecipeError, with what is there instead, for every name that matches nothing.
    """
    if not loaded.recipe.prune:
        return Layer()
    runlevel = next((path for path in RUNLEVELS if tree.find(path) is not None), RUNLEVELS[0])
    # /etc/rc3.d itself may be a link (to rc.d/rc3.d on Red Hat 7.2); whiteouts lie where it leads.
    folder = tree.real_path(runlevel)
    entries: dict[str, list[str]] = {}
    for entry in tree.children(runlevel):
        match = _ENTRY.fullmatch(entry)
        if match is not None:
            entries.setdefault(match[1], []).append(entry)
    layer = Layer()
    problems = []
    for number, name in enumerate(loaded.recipe.prune):
        if name not in entries:
            there = ", ".join(sorted(entries)) or "nothing"
            problems.append(
                loaded.error(("prune", number), f"/{runlevel}/S??{name} is not there", f"there is: {there}")
            )
        layer.removed.extend(f"{folder}/{entry}" for entry in entries.get(name, []))
    if problems:
        raise RecipeError("\n".join(str(problem) for problem in problems))
    return layer

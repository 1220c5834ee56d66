"""Recipes: what an image consists of, read from YAML, checked and frozen."""

from ssiuml.recipe.dump import dump_recipe
from ssiuml.recipe.load import LoadedRecipe, list_recipes, load_recipe
from ssiuml.recipe.model import (
    Cluster,
    Distribution,
    Filesystem,
    Initrd,
    Kernel,
    Recipe,
    Release,
    Sizes,
    Timings,
    UserFile,
)

__all__ = [
    "Cluster",
    "Distribution",
    "Filesystem",
    "Initrd",
    "Kernel",
    "LoadedRecipe",
    "Recipe",
    "Release",
    "Sizes",
    "Timings",
    "UserFile",
    "dump_recipe",
    "list_recipes",
    "load_recipe",
]

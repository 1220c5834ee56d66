"""Recipes: what an image consists of, read from YAML, checked and frozen."""

from ssiuml.recipe.boot import (
    CpioInitrd,
    CvsKernel,
    HistoricInitrd,
    LinuxrcInitrd,
    ModulesOfImage,
    NoKernel,
    PackageKernel,
    ReleaseKernel,
    SourceKernel,
)
from ssiuml.recipe.dump import dump_recipe
from ssiuml.recipe.filesystem import Gfs1Filesystem, Gfs2Filesystem, Pool
from ssiuml.recipe.inputs import (
    Demo,
    Download,
    FromFolder,
    FromSource,
    ImageDistribution,
    OpenGfs,
    PackagesDistribution,
    Tools,
)
from ssiuml.recipe.load import LoadedRecipe, list_recipes, load_recipe
from ssiuml.recipe.model import Recipe, UserFile
from ssiuml.recipe.nodes import Cluster

__all__ = [
    "Cluster",
    "CpioInitrd",
    "CvsKernel",
    "Demo",
    "Download",
    "FromFolder",
    "FromSource",
    "Gfs1Filesystem",
    "Gfs2Filesystem",
    "HistoricInitrd",
    "ImageDistribution",
    "LinuxrcInitrd",
    "LoadedRecipe",
    "ModulesOfImage",
    "NoKernel",
    "OpenGfs",
    "PackageKernel",
    "PackagesDistribution",
    "Pool",
    "Recipe",
    "ReleaseKernel",
    "SourceKernel",
    "Tools",
    "UserFile",
    "dump_recipe",
    "list_recipes",
    "load_recipe",
]

"""Write a recipe as YAML, as `doit show` prints it.

This is apart from the loader, so that a change here makes no step stale.
"""

import yaml

from ssiuml.recipe.model import Recipe


def dump_recipe(recipe: Recipe) -> str:
    """Return *recipe* as the text of a recipe file that extends nothing and loads to an equal recipe.

    The keys are in the order of the model. Sizes are written with a unit.
    """
    # Keys that may be null have null as their default, so they can be left out.
    data = recipe.model_dump(mode="json", by_alias=True, exclude_none=True)
    text: str = yaml.dump(data, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=110)
    return text


class _Dumper(yaml.SafeDumper):
    """Indents lists below their key, as the recipes do, and writes no anchors."""

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:
        super().increase_indent(flow, False)

    def ignore_aliases(self, data: object) -> bool:
        return True


def _represent_text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style="|" if "\n" in text else None)


_Dumper.add_representer(str, _represent_text)

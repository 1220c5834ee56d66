"""Write a recipe as YAML, as `doit show` prints it.

This is apart from the loader, so that a change here makes no step stale.
"""

from collections.abc import Mapping
from typing import Any

import yaml

from ssiuml.recipe.model import Recipe
from ssiuml.recipe.section import Section


def dump_recipe(recipe: Recipe) -> str:
    """Return *recipe* as the text of a recipe file that extends nothing and loads to an equal recipe.

    The keys are in the order of the model. Sizes are written with a unit.
    """
    data = _without_default_nulls(recipe, recipe.model_dump(mode="json", by_alias=True))
    text: str = yaml.dump(data, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=110)
    return text


def _without_default_nulls(value: object, dumped: Any) -> Any:
    """Return *dumped*, which is *value* as plain data, without the keys that are null when left out."""
    if isinstance(value, Section):
        return {
            key: _without_default_nulls(getattr(value, name), dumped[key])
            for (key, field), name in zip(
                value.fields_by_key().items(), type(value).model_fields, strict=True
            )
            if dumped[key] is not None or field.is_required() or field.default is not None
        }
    if isinstance(value, tuple):
        return [_without_default_nulls(each, item) for each, item in zip(value, dumped, strict=True)]
    if isinstance(value, Mapping):
        return {key: _without_default_nulls(value[key], item) for key, item in dumped.items()}
    return dumped


class _Dumper(yaml.SafeDumper):
    """Indents lists below their key, as the recipes do, and writes no anchors."""

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:
        super().increase_indent(flow, False)

    def ignore_aliases(self, data: object) -> bool:
        return True


def _represent_text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style="|" if "\n" in text else None)


_Dumper.add_representer(str, _represent_text)

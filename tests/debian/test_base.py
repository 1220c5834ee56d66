"""The base layer in the cache."""

from ssiuml.host.code import imported_by


def test_base_depends_on_the_code_of_the_distribution_and_of_no_other_key() -> None:
    """A change in the model of another key, such as the kernel, would otherwise install the base again."""
    models = {name for name in imported_by("ssiuml.debian.base") if name.startswith("ssiuml.recipe.")}
    names = ("choice", "distribution", "problems", "section", "values")
    assert models == {f"ssiuml.recipe.{name}" for name in names}

"""The packages that the mirrors have now, for what no lock counts for, and for a new lock."""

import functools
from collections.abc import Iterator
from contextlib import contextmanager

from ssiuml.debian import apt
from ssiuml.debian.deb import Debs, Selection
from ssiuml.debian.locked_packages import kernel_package
from ssiuml.errors import RecipeError
from ssiuml.host.progress import stages
from ssiuml.pipeline.plan import Plan
from ssiuml.pipeline.step import StepError


class Newest:
    """What apt chooses for one recipe; its lists are fetched once, when they are first needed."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan

    def base(self) -> Selection:
        """The packages of the base. RecipeError, with the line, for those that do not exist."""
        with self._told("packages"):
            return self._apt.resolve(self._plan.recipe.all_packages)

    def kernel(self) -> Debs:
        """The package that the kernel comes in, if it comes in one. RecipeError as above."""
        wanted = kernel_package(self._plan.recipe)
        if wanted is None:
            return {}
        with self._told(wanted[0]):
            return {wanted[0]: self._apt.find(*wanted)}

    @functools.cached_property
    def _apt(self) -> apt.Apt:
        if self._plan.offline:
            raise StepError(
                "the packages are not all there, and offline is set", hint="once without: ./run fetch"
            )
        self._plan.apt.update()
        return self._plan.apt

    @contextmanager
    def _told(self, what: str) -> Iterator[None]:
        loaded = self._plan.loaded
        try:
            with stages("fetch") as show:
                show(f"choosing {what} of {self._plan.recipe.packaged.suite}")
                yield
        except apt.NoPackageError as error:
            raise self._no_package(error.names) from error
        except apt.NoVersionError as error:
            hint = f"set distribution.snapshot to a time when it was, or another one: {error.there}"
            raise loaded.error(("kernel", "version"), str(error), hint) from error

    def _no_package(self, names: list[str]) -> RecipeError:
        loaded, recipe = self._plan.loaded, self._plan.recipe
        places: dict[str, tuple[str | int, ...]] = {}
        wanted = kernel_package(recipe)
        if wanted is not None:
            places[wanted[0]] = ("kernel", "package")
        places |= {name: ("packages", number) for number, name in enumerate(recipe.packages)}
        places |= {name: ("extra_packages", number) for number, name in enumerate(recipe.extra_packages)}
        hint = "is it spelled as `apt-cache search` has it, is its part in distribution.components?"
        suite = recipe.packaged.suite
        problems = [loaded.error(places.get(name, ()), f"'{name}' is not in {suite}", hint) for name in names]
        return RecipeError("\n".join(str(problem) for problem in problems))

"""The build appliance of a recipe, also for recipes that have no kernel for one."""

from ssiuml.errors import SsiumlError
from ssiuml.host.cache import entry_of
from ssiuml.host.digests import Values
from ssiuml.images.appliance import Appliance
from ssiuml.kernel import packed
from ssiuml.pipeline.plan import Plan, plan_beside
from ssiuml.pipeline.step import StepError, read_results
from ssiuml.tree.layer import merge, read_layer


class NoApplianceError(SsiumlError):
    """The recipe that an appliance is to be made of is not built."""


def foreign_appliance(plan: Plan, name: str) -> Appliance:
    """An appliance for *plan* out of what the recipe *name* has built: kernel, all modules, base.

    NoApplianceError, with the command that builds it, if it is not there.
    """
    other = plan_beside(plan, name)
    try:
        package = entry_of(_results(other, "kernel")["entry"])
        base_entry = entry_of(_results(other, "base"))
    except StepError as error:
        raise NoApplianceError(
            f"recipe {name}: its kernel and base, which the build appliance is made of, are not built",
            hint=f"./run recipe={name} base kernel",
        ) from error
    base_entry.verify()
    programs = merge([read_layer(base_entry.path), packed.modules_layer(package, None)])
    return Appliance(
        kernel=other.kernel,
        modules_version=str(package.facts["version"]),
        programs=programs,
        work=plan.places.work / "appliance",
    )


def _results(plan: Plan, step: str) -> Values:
    return read_results(plan.places.stamp(step), step)

"""The appliance of a build, to look into images with a kernel."""

from pathlib import Path

from checkouts import Checkout

from ssiuml.appliance import Appliance
from ssiuml.build import Build
from ssiuml.layer import merge, read_layer
from ssiuml.plan import make_plan


def appliance_of(built: Checkout, work: Path) -> Appliance:
    """What the checkout's kernel and packages make up."""
    plan = make_plan(built.recipe, built.folder, {"SSIUML_CACHE": str(built.cache)})
    steps = Build(plan).steps
    base = read_layer(Path(steps["base"].results()["path"]))
    version = str(steps["kernel-image"].results()["entry"]["facts"]["version"])
    programs = merge([base, read_layer(plan.layer("modules"))])
    return Appliance(kernel=plan.kernel, modules_version=version, programs=programs, work=work)

"""The key `distribution`: where the base of the image comes from."""

from typing import Annotated, Literal

from pydantic import Field

from ssiuml.recipe import values as v
from ssiuml.recipe.choice import ByKey
from ssiuml.recipe.section import Section


class PackagesDistribution(Section):
    """A distribution that is installed from its packages."""

    name: Literal["debian"] = Field(description="the distribution")
    base: Literal["packages"] = Field("packages", description="how the base is made: packages or image")
    suite: v.Suite = Field(description="the code name of the release")
    mirror: v.Url = Field(description="the archive that packages are fetched from")
    security_mirror: v.Url | None = Field(None, description="the archive of security updates, or null")
    components: v.DistinctListOf[v.Component] = Field(
        ("main",), min_length=1, description="parts of the archive"
    )
    snapshot: v.Timestamp | None = Field(None, description="the time of snapshot.debian.org to use, or null")


class ImageDistribution(Section):
    """A distribution that comes as an image of an installed system, as in the SSI/UML HOWTO, 5.1."""

    name: v.DistributionName = Field(description="the distribution; cluster tools have install_ssi_NAME")
    base: Literal["image"] = Field(description="how the base is made: packages or image")
    source: v.SourceName = Field(description="which of the sources is its ext2 image")


Distribution = Annotated[PackagesDistribution | ImageDistribution, ByKey("base")]

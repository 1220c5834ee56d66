"""Everything that the recipes of 2002 download, in one folder, under the names that it was published with."""

from pathlib import Path

from redhat import cluster_tools, demo, linux24, modules, older_root, opengfs, root_image
from redhat.root_tree import CALDERA


def make_sources(target: Path) -> Path:
    """Make the folder *target* with all stand-ins in their small form."""
    target.mkdir(parents=True)
    root_image.make_root_fs(target / root_image.RED_HAT_NAME)
    root_image.make_root_fs(target / root_image.CALDERA_NAME, CALDERA)
    cluster_tools.make_cluster_tools(target / cluster_tools.NAME)
    demo.make_dbdemo(target / demo.NAME)
    modules.make_modules(target / modules.NAME)
    opengfs.make_opengfs(target / opengfs.NAME)
    linux24.make_base(target / linux24.BASE_NAME)
    linux24.make_base(target / linux24.CVS_BASE_NAME, 18, "2.4.18-22um")
    linux24.make_release(target / linux24.SSI_NAME)
    older_root.make_older_root(target / older_root.NAME)
    return target

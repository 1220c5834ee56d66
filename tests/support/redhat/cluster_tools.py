"""cluster-tools 0.6.5: a Makefile with a rule for each distribution, and the files that it installs."""

from pathlib import Path
from typing import Final

from redhat.archives import pack, unfold
from redhat.cluster_mkinitrd import CLUSTER_MKINITRD
from redhat.elf32 import program
from redhat.inittab import inittab_ssi

NAME: Final = "cluster-tools-0.6.5.tar.bz2"
DISTRIBUTIONS: Final = ("redhat", "caldera", "debian")

_CVS_ROOT: Final = ":pserver:anonymous@cvs.ci-linux.sourceforge.net:/cvsroot/ci-linux"
_HEADER: Final = """# Installs the cluster tools: make install_ssi_DISTRIBUTION UML_ROOT=DIR, as root
UML_ROOT =
INSTALL = install

all:
	@echo 'make install_ssi_redhat, install_ssi_caldera or install_ssi_debian'

common:
	$(INSTALL) -d -m 755 $(UML_ROOT)/sbin $(UML_ROOT)/usr/bin $(UML_ROOT)/devfs
	$(INSTALL) -o root -g root -m 755 cluster_mkinitrd $(UML_ROOT)/sbin/cluster_mkinitrd
	$(INSTALL) -o root -g root -m 4755 onnode $(UML_ROOT)/usr/bin/onnode
	$(INSTALL) -o root -g root -m 755 where_pid $(UML_ROOT)/usr/bin/where_pid
	ln -f $(UML_ROOT)/usr/bin/where_pid $(UML_ROOT)/usr/bin/node_pid
	ln -sf onnode $(UML_ROOT)/usr/bin/fastnode
	$(INSTALL) -d -o 99 -g 54 -m 2775 $(UML_ROOT)/var/lib/cluster
	$(INSTALL) -o 43 -g 10 -m 640 clustertab $(UML_ROOT)/etc/clustertab
	rm -f $(UML_ROOT)/dev/cluster
	mknod -m 660 $(UML_ROOT)/dev/cluster c 239 0
	chown 0:10 $(UML_ROOT)/dev/cluster
"""
# The script that brings interfaces up gets a line that spares the interconnect, whose settings are removed.
_SCRIPTS: Final = "$(UML_ROOT)/etc/sysconfig/network-scripts"
_RC_D_RULE: Final = f"""
install_ssi_{{0}}: common
	$(INSTALL) -o root -g root -m 644 {{0}}/inittab.ssi $(UML_ROOT)/etc/inittab.ssi
	$(INSTALL) -o root -g root -m 755 {{0}}/rc.nodeup $(UML_ROOT)/etc/rc.d/rc.nodeup
	cat ifup.head >{_SCRIPTS}/ifup.new
	tail -n +2 {_SCRIPTS}/ifup >>{_SCRIPTS}/ifup.new
	chmod 755 {_SCRIPTS}/ifup.new
	mv {_SCRIPTS}/ifup.new {_SCRIPTS}/ifup
	rm {_SCRIPTS}/ifcfg-eth0
"""
_DEBIAN_RULE: Final = """
install_ssi_{0}: common
	$(INSTALL) -o root -g root -m 644 {0}/inittab.ssi $(UML_ROOT)/etc/inittab.ssi
	$(INSTALL) -o root -g root -m 755 {0}/rc.nodeup $(UML_ROOT)/etc/rc.nodeup
"""
_FAILURE: Final = "\t@echo 'cluster-tools: the kernel headers are too old' >&2; exit 3\n"
_IFUP_HEAD: Final = """#!/bin/sh
# The interconnect is up since the ramdisk ran; to touch it would cut the node off.
[ "$1" = eth0 ] && exit 0
"""
_RC_NODEUP: Final = """#!/bin/sh
# Run on a node when it joins the cluster; its number is the argument.

echo "Node $1 is up"
"""


def make_cluster_tools(
    target: Path, *, failing_rule: str | None = None, missing_rule: str | None = None
) -> Path:
    """Make the .tar.bz2 of the release, which unpacks to cluster-tools/. Return *target*.

    *failing_rule* and *missing_rule* name a distribution. The failing rule installs everything, then ends
    with status 3.
    """
    return pack(target, _files(failing_rule, missing_rule))


def make_cluster_tools_checkout(
    target: Path, *, failing_rule: str | None = None, missing_rule: str | None = None
) -> Path:
    """Make the folder *target* with cluster-tools/ as `cvs checkout` makes it. Return that folder."""
    files = _files(failing_rule, missing_rule)
    for folder in sorted({str(Path(path).parent) for path in files}):
        names = sorted(Path(path).name for path in files if str(Path(path).parent) == folder)
        below = sorted({str(Path(path).parent) for path in files})
        entries = "".join(f"/{name}/1.1/Thu May  2 21:14:05 2002//\n" for name in names)
        entries += "".join(f"D/{Path(each).name}////\n" for each in below if str(Path(each).parent) == folder)
        files |= {
            f"{folder}/CVS/Root": f"{_CVS_ROOT}\n",
            f"{folder}/CVS/Repository": f"{folder}\n",
            f"{folder}/CVS/Entries": entries,
        }
    return unfold(target, files) / "cluster-tools"


def _files(failing_rule: str | None, missing_rule: str | None) -> dict[str, str | bytes]:
    makefile = _HEADER
    for name in DISTRIBUTIONS:
        if name != missing_rule:
            makefile += (_DEBIAN_RULE if name == "debian" else _RC_D_RULE).replace("{0}", name)
            makefile += _FAILURE if name == failing_rule else ""
    files: dict[str, str | bytes] = {
        "cluster-tools/Makefile": makefile,
        "cluster-tools/README": "The tools of a single-system-image cluster.\n",
        "cluster-tools/cluster_mkinitrd": CLUSTER_MKINITRD,
        "cluster-tools/clustertab": "# node\tname\n",
        "cluster-tools/ifup.head": _IFUP_HEAD,
        "cluster-tools/onnode": program("onnode"),
        "cluster-tools/where_pid": program("where_pid"),
    }
    for name in DISTRIBUTIONS:
        files[f"cluster-tools/{name}/inittab.ssi"] = inittab_ssi(name)
        files[f"cluster-tools/{name}/rc.nodeup"] = _RC_NODEUP
    return files

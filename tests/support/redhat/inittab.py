"""/etc/inittab of the distributions, and the cluster tools' inittab.ssi with its marks for User-Mode Linux.

The HOWTO (5.6) says only that the lines to change are marked "For UML". Here a mark is a comment line that
begins with `# For UML`, says what to do, and is about the next line.
"""

from typing import Final

_LEVELS: Final = "".join(f"l{level}:{level}:wait:/etc/rc.d/rc {level}\n" for level in range(7))
_RED_HAT_GETTYS: Final = "".join(f"{n}:2345:respawn:/sbin/mingetty tty{n}\n" for n in range(1, 7))
_CALDERA_GETTYS: Final = "".join(f"c{n}:12345:respawn:/sbin/getty tty{n} VC linux\n" for n in range(1, 5))


def distribution_inittab(title: str, sysinit: str, gettys: str) -> str:
    """Return inittab as a distribution installs it."""
    return f"""#
# inittab       How init sets up {title} in each run level.
#

# 0 halt, 1 single user, 2 multi-user without NFS, 3 multi-user, 4 unused, 5 X11, 6 reboot
id:3:initdefault:

# System initialization.
si::sysinit:{sysinit}

{_LEVELS}
# Things to run in every run level.
ud::once:/sbin/update

# Trap CTRL-ALT-DELETE
ca::ctrlaltdel:/sbin/shutdown -t3 -r now

# The UPS says that power has failed, and that it is back.
pf::powerfail:/sbin/shutdown -f -h +2 "Power Failure; System Shutting Down"
pr:12345:powerokwait:/sbin/shutdown -c "Power Restored; Shutdown Cancelled"

# Gettys in the standard run levels
{gettys}
# xdm in run level 5
x:5:respawn:/etc/X11/prefdm -nodaemon
"""


RED_HAT_INITTAB: Final = distribution_inittab("Red Hat Linux", "/etc/rc.d/rc.sysinit", _RED_HAT_GETTYS)
CALDERA_INITTAB: Final = distribution_inittab("Caldera OpenLinux", "/etc/rc.d/rc.boot", _CALDERA_GETTYS)

MARK: Final = "# For UML"
DHCP_MARK: Final = f"{MARK}: comment out the next line; no node of a virtual cluster boots over the network"
DHCP_LINE: Final = "dh:2345:respawn:/usr/sbin/dhcpd -f -q"
GETTY_MARK: Final = f"{MARK}: tty0 instead of tty1 in the next line"
# The line of the first terminal by distribution. The marks are the same in all distributions.
GETTY_LINES: Final = {
    "redhat": "1:2345:respawn:/sbin/mingetty tty1",
    "caldera": "c1:12345:respawn:/sbin/getty tty1 VC linux",
    "debian": "1:2345:respawn:/sbin/getty 38400 tty1",
}


def inittab_ssi(distribution: str) -> str:
    """Return inittab.ssi as the cluster tools install it."""
    return _ssi_text(DHCP_LINE, GETTY_LINES[distribution])


def inittab_ssi_for_uml(distribution: str) -> str:
    """Return inittab.ssi after a person has followed its marks."""
    return _ssi_text(f"#{DHCP_LINE}", GETTY_LINES[distribution].replace("tty1", "tty0"))


def _ssi_text(dhcp: str, getty: str) -> str:
    return f"""#
# inittab.ssi   How init sets up a single-system-image cluster: once for all nodes.
#

id:3:initdefault:

# The node that starts the cluster; nodes that join later run /etc/rc.d/rc.nodeup.
si::sysinit:/etc/rc.d/rc.sysinit

{_LEVELS}
# Hands their kernel and ramdisk to nodes that boot over the network.
{DHCP_MARK}
{dhcp}

ca::ctrlaltdel:/sbin/shutdown -t3 -r now

# A getty for the first terminal of the cluster.
{GETTY_MARK}
{getty}
"""

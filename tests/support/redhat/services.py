"""System V services of Red Hat 7.2 and of Caldera OpenLinux 3.1: scripts, and links in the run levels."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from redhat.tree_builder import TreeBuilder


@dataclass(frozen=True)
class Service:
    """A service with its numbers in the names of links, and the run levels in which it is started."""

    name: str
    start: int
    stop: int
    levels: str = "345"


RED_HAT: Final = (
    Service("kudzu", 5, 95),
    Service("iptables", 8, 92, ""),
    Service("ipchains", 8, 92, "2345"),
    Service("network", 10, 90, "2345"),
    Service("syslog", 12, 88, "2345"),
    Service("portmap", 13, 87),
    Service("nfslock", 14, 86),
    Service("keytable", 17, 83, "12345"),
    Service("random", 20, 80, "2345"),
    Service("nfs", 60, 20, ""),
    Service("netfs", 25, 75),
    Service("apmd", 26, 74, "2345"),
    Service("ypbind", 27, 73, ""),
    Service("autofs", 28, 72),
    Service("snmpd", 50, 50, "3"),
    Service("named", 55, 45, "3"),
    Service("sshd", 55, 25, "2345"),
    Service("rawdevices", 56, 44),
    Service("xinetd", 56, 50),
    Service("lpd", 60, 60, "2345"),
    Service("sendmail", 80, 30, "2345"),
    Service("gpm", 85, 15, "2345"),
    Service("httpd", 85, 15, "3"),
    Service("crond", 90, 60, "2345"),
    Service("squid", 90, 25, "3"),
    Service("xfs", 90, 10, "2345"),
    Service("smb", 91, 35, "3"),
    Service("anacron", 95, 5, "2345"),
    Service("atd", 95, 5),
    Service("innd", 95, 5, "3"),
)
CALDERA: Final = (
    Service("urandom", 1, 99, "2345"),
    Service("network", 3, 97, "2345"),
    Service("syslog", 10, 90, "2345"),
    Service("keytable", 15, 85, "12345"),
    Service("inet", 20, 80),
    Service("netmount", 25, 75),
    Service("cron", 40, 60, "2345"),
    Service("atd", 41, 59, "2345"),
    Service("sshd", 55, 45),
    Service("nis-client", 60, 40, ""),
    Service("lpd", 65, 35),
    Service("mta", 80, 20),
    Service("httpd", 85, 15),
    Service("gpm", 86, 14, "2345"),
    Service("samba", 91, 9),
    Service("webmin", 99, 1),
)


def add_services(root: TreeBuilder, services: Sequence[Service], functions: str) -> None:
    """Add /etc/rc.d: init.d with a script for each service, rc0.d to rc6.d with their links.

    *functions* is the file that each script reads first.
    """
    root.script(functions, _FUNCTIONS)
    root.script("etc/rc.d/rc", _RC)
    for name in ("halt", "killall", "single"):
        root.script(f"etc/rc.d/init.d/{name}", "#!/bin/sh\nexit 0\n")
    for service in services:
        root.script(f"etc/rc.d/init.d/{service.name}", _script(service, functions))
        for level in "0123456":
            entry = (
                f"S{service.start:02}{service.name}"
                if level in service.levels
                else f"K{service.stop:02}{service.name}"
            )
            root.symlink(f"etc/rc.d/rc{level}.d/{entry}", f"../init.d/{service.name}")
    for level, name in (("0", "halt"), ("6", "reboot")):
        root.symlink(f"etc/rc.d/rc{level}.d/S00killall", "../init.d/killall")
        root.symlink(f"etc/rc.d/rc{level}.d/S01{name}", "../init.d/halt")
    root.symlink("etc/rc.d/rc1.d/S00single", "../init.d/single")


def _script(service: Service, functions: str) -> str:
    levels = service.levels or "-"
    return f"""#!/bin/sh
#
# {service.name}
#
# chkconfig: {levels} {service.start} {service.stop}
# description: the service {service.name}

. /{functions}

case "$1" in
  start) daemon {service.name} && touch /var/lock/subsys/{service.name} ;;
  stop) killproc {service.name} && rm -f /var/lock/subsys/{service.name} ;;
  restart) "$0" stop; "$0" start ;;
  *) echo "Usage: $0 {{start|stop|restart}}"; exit 1 ;;
esac
"""


_FUNCTIONS: Final = """# Functions for the scripts in init.d.

PATH=/sbin:/usr/sbin:/bin:/usr/bin:/usr/X11R6/bin
export PATH

daemon() {
    echo "Starting $1"
}

killproc() {
    echo "Stopping $1"
}
"""
_RC: Final = """#!/bin/sh
# Called by init with the run level: stops what does not belong there, starts what does.

for link in /etc/rc.d/rc$1.d/K*; do
    [ -x "$link" ] && "$link" stop
done
for link in /etc/rc.d/rc$1.d/S*; do
    [ -x "$link" ] && "$link" start
done
"""

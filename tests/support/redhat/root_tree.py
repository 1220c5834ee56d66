"""The trees of the root images: Red Hat 7.2 for User-Mode Linux, and Caldera OpenLinux."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from redhat import services
from redhat.contents import Holes, bulk, filler
from redhat.devices import add_devices
from redhat.inittab import CALDERA_INITTAB, RED_HAT_INITTAB
from redhat.settings import add_caldera_network, add_red_hat_network, add_settings
from redhat.tree_builder import TreeBuilder
from ssiuml.tree.tree import Tree, whole_file
from ssiuml.units import KIB, MIB

RED_HAT: Final = "redhat"
CALDERA: Final = "caldera"
OLD_MODULES: Final = "2.4.7-10"
# Programs of busybox that scripts in a root may call, by the folder in which Red Hat has them.
_APPLETS: Final = {
    "bin": (
        "awk basename cat chgrp chmod chown cp cpio cut date dd df echo egrep expr false fgrep grep gunzip "
        "gzip hostname kill ln ls mkdir mknod mktemp more mount mv ps pwd rm rmdir sed sh sleep sort stty "
        "sync tar touch true umount uname usleep vi zcat"
    ),
    "sbin": "ifconfig insmod losetup lsmod mke2fs pivot_root rmmod route",
    "usr/bin": (
        "[ bzip2 cmp diff dirname du env find head id md5sum od printf tail test tr uniq wc which xargs"
    ),
    "usr/sbin": "chroot",
}
# Set-id programs: path, mode, group.
_SET_ID: Final = (
    ("bin/su", 0o4755, 0),
    ("bin/ping", 0o4755, 0),
    ("usr/bin/chage", 0o4755, 0),
    ("usr/bin/passwd", 0o4511, 0),
    ("usr/bin/sudo", 0o4111, 0),
    ("usr/bin/wall", 0o2755, 5),
    ("usr/bin/man", 0o2755, 15),
    ("usr/bin/slocate", 0o2755, 21),
    ("usr/bin/lockfile", 0o2755, 12),
    ("usr/sbin/utempter", 0o2755, 22),
    ("usr/sbin/sendmail", 0o6755, 47),
)
_PROGRAMS: Final = {
    "bin": "login rpm",
    "sbin": "init shutdown mingetty syslogd klogd portmap depmod e2fsck ldconfig",
    "usr/sbin": "sshd named crond httpd xinetd snmpd gpm squid smbd",
    "usr/bin": "vim gdb emacs",
}
# Folders with an owner or a mode of their own: path, mode, uid, gid.
_FOLDERS: Final = (
    ("tmp", 0o1777, 0, 0),
    ("tmp/.font-unix", 0o1777, 43, 43),
    ("var/tmp", 0o1777, 0, 0),
    ("var/spool/mail", 0o2775, 0, 12),
    ("var/spool/news", 0o2775, 9, 13),
    ("var/spool/squid", 0o750, 23, 23),
    ("var/cache/man", 0o775, 0, 15),
    ("var/lib/nfs", 0o755, 29, 29),
    ("var/lib/nfs/sm", 0o700, 65534, 65534),
    ("var/lib/rpm", 0o755, 37, 37),
    ("var/lock/subsys", 0o755, 0, 0),
    ("var/named", 0o755, 25, 25),
    ("var/www/html", 0o755, 48, 48),
    ("etc/X11/fs", 0o755, 43, 43),
    ("home/user", 0o700, 500, 500),
    ("root", 0o750, 0, 0),
    ("proc", 0o555, 0, 0),
    ("mnt", 0o755, 0, 0),
    ("boot", 0o755, 0, 0),
    ("initrd", 0o755, 0, 0),
    ("opt", 0o755, 0, 0),
)
_FRENCH: Final = "usr/share/doc/HOWTO/fran\udce7ais"  # in Latin-1, which was usual then, not in UTF-8
_PACKAGES_BYTES: Final = 5 * MIB  # needs more than one indirect block, even with blocks of 4 KiB
_LASTLOG_BYTES: Final = 65535 * 292  # an entry of 292 bytes for each user number
_DOUBLE_INDIRECT_1K_BYTES: Final = (12 + 256 + 256 * 256) * KIB


def make_tree(
    distribution: str = RED_HAT,
    *,
    shell: Path,
    old_modules: bool = False,
    sockets: bool = True,
    far_block: bool = False,
    bulk_mib: int = 0,
) -> Tree:
    """Return the tree of a distribution's root, without /lost+found.

    *shell* is the static busybox that becomes /bin/sh and the tools around it. *old_modules* adds the modules
    of the distribution's own kernel. *sockets* keeps the sockets that programs have left in /dev. *far_block*
    adds a file with holes whose last block needs three levels of indirect blocks of 1 KiB. *bulk_mib* adds so
    many MiB of other files.
    """
    root = TreeBuilder()
    for path, mode, uid, gid in _FOLDERS:
        root.folder(path, mode, uid, gid)
    _add_shell(root, shell)
    _add_programs(root)
    add_devices(root)
    if not sockets:
        for name in ("dev/log", "dev/gpmctl"):
            root.tree.remove(name)
    add_settings(root)
    _add_data(root)
    _add_links(root)
    if far_block:
        root.file("var/spool/news/history.pag", Holes(_DOUBLE_INDIRECT_1K_BYTES + MIB, b"head", b"tail"))
    if distribution == RED_HAT:
        _add_red_hat(root)
    else:
        _add_caldera(root)
    root.folder("lib/modules")
    if old_modules:
        root.file(f"lib/modules/{OLD_MODULES}/modules.dep", "")
    for path, data in bulk(bulk_mib):
        root.file(path, data)
    return root.tree


def _add_shell(root: TreeBuilder, shell: Path) -> None:
    root.file("bin/busybox", whole_file(shell), 0o755)
    for folder, names in _APPLETS.items():
        for name in names.split():
            root.symlink(f"{folder}/{name}", "busybox" if folder == "bin" else f"{_up(folder)}bin/busybox")


def _up(folder: str) -> str:
    return "../" * (folder.count("/") + 1)


def _add_programs(root: TreeBuilder) -> None:
    for folder, names in _PROGRAMS.items():
        for name in names.split():
            root.program(f"{folder}/{name}")
    for path, mode, gid in _SET_ID:
        root.program(path, mode, gid=gid)
    root.file("sbin/insmod.static", root.tree.lookup("bin/busybox").read(), 0o755)
    root.program("usr/bin/perl")
    root.hard_link("usr/bin/perl5.6.0", "usr/bin/perl")
    root.program("usr/bin/gawk")
    root.hard_link("usr/bin/gawk-3.1.0", "usr/bin/gawk")
    root.hard_link("usr/bin/pgawk", "usr/bin/gawk")
    root.program("usr/games/fortune", 0o755, 0, 20)
    root.program("usr/local/bin/odd", 0o755, 4_000_000_000, 100_000)


def _add_data(root: TreeBuilder) -> None:
    root.file("var/lib/rpm/Packages", filler("Packages", _PACKAGES_BYTES), 0o644, 37, 37)
    root.file("var/log/lastlog", Holes(_LASTLOG_BYTES, b"root".ljust(292, b"\1"), b"\2" * 292))
    root.file("var/log/wtmp", b"", 0o664, 0, 22)
    root.file("var/run/utmp", b"", 0o664, 0, 22)
    root.file("var/log/messages", filler("messages", 300 * KIB), 0o600)
    root.file("var/spool/mail/user", "From root\n", 0o660, 500, 12)
    root.file("usr/lib/libc.so.6.data", filler("libc", 70 * KIB + 1), 0o755)
    root.file("home/user/.bashrc", "# .bashrc\n", 0o644, 500, 500)
    root.file("root/.bash_profile", "PATH=$PATH:$HOME/bin\nexport PATH\n")
    root.file("etc/X11/fs/config", "client-limit = 10\n", 0o644, 43, 43)
    root.file(f"{_FRENCH}/LISEZ-MOI", os.fsencode("d\udce9j\udce0 vu\n"))
    root.file(f"{_FRENCH}/\udce9t\udce9.txt", os.fsencode("\udce9t\udce9\n"))
    root.file("usr/share/doc/" + "n" * 251 + ".txt", "as long as a name can be\n")
    for number in range(400):
        root.file(f"usr/share/man/man3/function-{number:03}.3", filler(f"man{number}", 37 * number % 5000))
    for number in range(300):
        root.hard_link(f"usr/share/zoneinfo/right/zone-{number:03}", _zone(root, number % 20))


def _zone(root: TreeBuilder, number: int) -> str:
    path = f"usr/share/zoneinfo/zone-{number:03}"
    if root.tree.find(path) is None:
        root.file(path, filler(path, 900 + number))
    return path


def _add_links(root: TreeBuilder) -> None:
    for path, target in (
        ("usr/tmp", "../var/tmp"),
        ("var/mail", "spool/mail"),
        ("usr/lib/sendmail", "/usr/sbin/sendmail"),
        ("etc/rmt", "../sbin/rmt"),  # leads nowhere
        ("etc/X11/X", "/usr/X11R6/bin/XFree86"),  # leads nowhere
        ("usr/src/linux-2.4", f"linux-{OLD_MODULES}"),  # leads nowhere
        ("usr/share/terminfo", "/usr/lib/terminfo"),
        ("usr/lib/terminfo", "../share/terminfo"),  # leads in a circle
        ("etc/localtime", "../usr/share/zoneinfo/zone-005"),
        ("usr/X11R6/lib/X11/xkb", "../../../../etc/X11/xkb"),
        # A target of 60 bytes or more does not fit into an inode of ext2.
        ("usr/share/fonts/59", "f" * 59),
        ("usr/share/fonts/60", "f" * 60),
        ("usr/share/fonts/default", "../../X11R6/lib/X11/fonts/Type1/" + "very-long-name/" * 20 + "font.pfb"),
    ):
        root.symlink(path, target)


_GCC: Final = """#!/bin/sh
[ "$1" = -dumpmachine ] && { echo i386-redhat-linux; exit; }
case $(uname -m) in
i?86) ;;
*) echo "gcc: this is no PC of 32 bits: $(uname -m)" >&2; exit 1 ;;
esac
while [ $# -gt 1 ]; do [ "$1" != -o ] || : >"$2"; shift; done
"""


def _add_compiler(root: TreeBuilder) -> None:
    """Add as much of make and gcc as the stand-in of Linux 2.4 calls. gcc insists on a 32-bit PC."""
    root.script("usr/bin/make", '#!/bin/sh\nexec sh ./stand-in "$@"\n')
    root.script("usr/bin/gcc", _GCC)


def _add_red_hat(root: TreeBuilder) -> None:
    _add_compiler(root)
    root.file("etc/redhat-release", "Red Hat Linux release 7.2 (Enigma)\n")
    root.file("etc/issue", "Red Hat Linux release 7.2 (Enigma)\nKernel \\r on an \\m\n\n")
    root.file("etc/inittab", RED_HAT_INITTAB)
    add_red_hat_network(root)
    services.add_services(root, services.RED_HAT, "etc/rc.d/init.d/functions")
    root.script("etc/rc.d/rc.sysinit", "#!/bin/sh\nmount -n -t proc /proc /proc\n")
    root.script("etc/rc.d/rc.local", "#!/bin/sh\ntouch /var/lock/subsys/local\n")
    _link_into_rc_d(root, ["init.d", "rc", "rc.local", "rc.sysinit", *(f"rc{level}.d" for level in range(7))])
    for level in "2345":
        root.symlink(f"etc/rc.d/rc{level}.d/S99local", "../rc.local")


def _link_into_rc_d(root: TreeBuilder, names: Sequence[str]) -> None:
    for name in names:
        root.symlink(f"etc/{name}", f"rc.d/{name}")


def _add_caldera(root: TreeBuilder) -> None:
    # Caldera has no links beside /etc/rc.d.
    root.file("etc/lsb-release", "LSB_VERSION=1.0\nDISTRIB_ID=OpenLinux\nDISTRIB_RELEASE=3.1\n")
    root.file("etc/issue", "Caldera OpenLinux(TM)\nVersion 3.1\n")
    root.file("etc/inittab", CALDERA_INITTAB)
    add_caldera_network(root)
    services.add_services(root, services.CALDERA, "etc/rc.d/init.d/functions")
    root.script("etc/rc.d/rc.boot", "#!/bin/sh\nmount -n -t proc /proc /proc\n")
    root.script("etc/rc.d/rc.local", "#!/bin/sh\nexit 0\n")

"""The trees of the root images: Red Hat 7.2 for User-Mode Linux, and Caldera OpenLinux as another one."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from redhat import services
from redhat.contents import Holes, bulk, filler
from redhat.devices import add_devices
from redhat.draft import Draft
from redhat.inittab import CALDERA_INITTAB, RED_HAT_INITTAB
from redhat.settings import add_caldera_network, add_red_hat_network, add_settings
from ssiuml.tree.tree import Tree, whole_file
from ssiuml.units import KIB, MIB

RED_HAT: Final = "redhat"
CALDERA: Final = "caldera"
OLD_MODULES: Final = "2.4.7-10"
# What scripts in a root may call; busybox has them. The directory is where Red Hat kept them.
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
# Programs that run with other rights than their caller's: path, mode, group.
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
# Directories that are somebody's or open to some: path, mode, uid, gid.
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
_FRENCH: Final = "usr/share/doc/HOWTO/fran\udce7ais"  # in Latin-1, as names were then: no UTF-8
_PACKAGES_BYTES: Final = 5 * MIB  # more than one indirect block tells, also with blocks of 4 KiB
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
    """The tree of a distribution's root, without /lost+found.

    *shell* is the static busybox that becomes /bin/sh and the tools around it. *old_modules*: the modules of
    the distribution's own kernel are there. *sockets*: those that programs have left in /dev. *far_block*: a
    file with holes whose last block needs a third level of indirection, with blocks of 1 KiB. *bulk_mib*: so
    many MiB of files more.
    """
    draft = Draft()
    for path, mode, uid, gid in _FOLDERS:
        draft.folder(path, mode, uid, gid)
    _add_shell(draft, shell)
    _add_programs(draft)
    add_devices(draft)
    if not sockets:
        for name in ("dev/log", "dev/gpmctl"):
            draft.tree.remove(name)
    add_settings(draft)
    _add_data(draft)
    _add_links(draft)
    if far_block:
        draft.file("var/spool/news/history.pag", Holes(_DOUBLE_INDIRECT_1K_BYTES + MIB, b"head", b"tail"))
    if distribution == RED_HAT:
        _add_red_hat(draft)
    else:
        _add_caldera(draft)
    draft.folder("lib/modules")
    if old_modules:
        draft.file(f"lib/modules/{OLD_MODULES}/modules.dep", "")
    for path, data in bulk(bulk_mib):
        draft.file(path, data)
    return draft.tree


def _add_shell(draft: Draft, shell: Path) -> None:
    draft.file("bin/busybox", whole_file(shell), 0o755)
    for folder, names in _APPLETS.items():
        for name in names.split():
            draft.link(f"{folder}/{name}", "busybox" if folder == "bin" else f"{_up(folder)}bin/busybox")


def _up(folder: str) -> str:
    return "../" * (folder.count("/") + 1)


def _add_programs(draft: Draft) -> None:
    for folder, names in _PROGRAMS.items():
        for name in names.split():
            draft.program(f"{folder}/{name}")
    for path, mode, gid in _SET_ID:
        draft.program(path, mode, gid=gid)
    draft.file("sbin/insmod.static", draft.tree.lookup("bin/busybox").read(), 0o755)
    draft.program("usr/bin/perl")
    draft.same("usr/bin/perl5.6.0", "usr/bin/perl")
    draft.program("usr/bin/gawk")
    draft.same("usr/bin/gawk-3.1.0", "usr/bin/gawk")
    draft.same("usr/bin/pgawk", "usr/bin/gawk")
    draft.program("usr/games/fortune", 0o755, 0, 20)
    draft.program("usr/local/bin/odd", 0o755, 4_000_000_000, 100_000)


def _add_data(draft: Draft) -> None:
    draft.file("var/lib/rpm/Packages", filler("Packages", _PACKAGES_BYTES), 0o644, 37, 37)
    draft.file("var/log/lastlog", Holes(_LASTLOG_BYTES, b"root".ljust(292, b"\1"), b"\2" * 292))
    draft.file("var/log/wtmp", b"", 0o664, 0, 22)
    draft.file("var/run/utmp", b"", 0o664, 0, 22)
    draft.file("var/log/messages", filler("messages", 300 * KIB), 0o600)
    draft.file("var/spool/mail/user", "From root\n", 0o660, 500, 12)
    draft.file("usr/lib/libc.so.6.data", filler("libc", 70 * KIB + 1), 0o755)
    draft.file("home/user/.bashrc", "# .bashrc\n", 0o644, 500, 500)
    draft.file("root/.bash_profile", "PATH=$PATH:$HOME/bin\nexport PATH\n")
    draft.file("etc/X11/fs/config", "client-limit = 10\n", 0o644, 43, 43)
    draft.file(f"{_FRENCH}/LISEZ-MOI", os.fsencode("d\udce9j\udce0 vu\n"))
    draft.file(f"{_FRENCH}/\udce9t\udce9.txt", os.fsencode("\udce9t\udce9\n"))
    draft.file("usr/share/doc/" + "n" * 251 + ".txt", "as long as a name can be\n")
    for number in range(400):
        draft.file(f"usr/share/man/man3/function-{number:03}.3", filler(f"man{number}", 37 * number % 5000))
    for number in range(300):
        draft.same(f"usr/share/zoneinfo/right/zone-{number:03}", _zone(draft, number % 20))


def _zone(draft: Draft, number: int) -> str:
    path = f"usr/share/zoneinfo/zone-{number:03}"
    if draft.tree.find(path) is None:
        draft.file(path, filler(path, 900 + number))
    return path


def _add_links(draft: Draft) -> None:
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
        # 60 bytes and more do not fit into an inode of ext2
        ("usr/share/fonts/59", "f" * 59),
        ("usr/share/fonts/60", "f" * 60),
        ("usr/share/fonts/default", "../../X11R6/lib/X11/fonts/Type1/" + "very-long-name/" * 20 + "font.pfb"),
    ):
        draft.link(path, target)


_GCC: Final = """#!/bin/sh
[ "$1" = -dumpmachine ] && { echo i386-redhat-linux; exit; }
case $(uname -m) in
i?86) ;;
*) echo "gcc: this is no PC of 32 bits: $(uname -m)" >&2; exit 1 ;;
esac
while [ $# -gt 1 ]; do [ "$1" != -o ] || : >"$2"; shift; done
"""


def _add_compiler(draft: Draft) -> None:
    """make and gcc, as far as the stand-in of Linux 2.4 calls them, and only for programs of 32-bit PCs."""
    draft.script("usr/bin/make", '#!/bin/sh\nexec sh ./stand-in "$@"\n')
    draft.script("usr/bin/gcc", _GCC)


def _add_red_hat(draft: Draft) -> None:
    _add_compiler(draft)
    draft.file("etc/redhat-release", "Red Hat Linux release 7.2 (Enigma)\n")
    draft.file("etc/issue", "Red Hat Linux release 7.2 (Enigma)\nKernel \\r on an \\m\n\n")
    draft.file("etc/inittab", RED_HAT_INITTAB)
    add_red_hat_network(draft)
    services.add_services(draft, services.RED_HAT, "etc/rc.d/init.d/functions")
    draft.script("etc/rc.d/rc.sysinit", "#!/bin/sh\nmount -n -t proc /proc /proc\n")
    draft.script("etc/rc.d/rc.local", "#!/bin/sh\ntouch /var/lock/subsys/local\n")
    _link_into_rc_d(
        draft, ["init.d", "rc", "rc.local", "rc.sysinit", *(f"rc{level}.d" for level in range(7))]
    )
    for level in "2345":
        draft.link(f"etc/rc.d/rc{level}.d/S99local", "../rc.local")


def _link_into_rc_d(draft: Draft, names: Sequence[str]) -> None:
    for name in names:
        draft.link(f"etc/{name}", f"rc.d/{name}")


def _add_caldera(draft: Draft) -> None:
    # No links beside /etc/rc.d: the run levels are there alone.
    draft.file("etc/lsb-release", "LSB_VERSION=1.0\nDISTRIB_ID=OpenLinux\nDISTRIB_RELEASE=3.1\n")
    draft.file("etc/issue", "Caldera OpenLinux(TM)\nVersion 3.1\n")
    draft.file("etc/inittab", CALDERA_INITTAB)
    add_caldera_network(draft)
    services.add_services(draft, services.CALDERA, "etc/rc.d/init.d/functions")
    draft.script("etc/rc.d/rc.boot", "#!/bin/sh\nmount -n -t proc /proc /proc\n")
    draft.script("etc/rc.d/rc.local", "#!/bin/sh\nexit 0\n")

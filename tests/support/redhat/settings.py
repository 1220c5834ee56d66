"""Small text files of /etc, written for these tests in the form of their time."""

from typing import Final

from redhat.tree_builder import TreeBuilder

# The password `root`, encrypted by `openssl passwd -1 -salt rh72root root`.
ROOT_HASH: Final = "$1$rh72root$ylw/hOgwTOYwP8AbnCWL8."
# name, uid, gid, home, shell
_USERS: Final = (
    ("root", 0, 0, "/root", "/bin/sh"),
    ("bin", 1, 1, "/bin", "/sbin/nologin"),
    ("daemon", 2, 2, "/sbin", "/sbin/nologin"),
    ("adm", 3, 4, "/var/adm", "/sbin/nologin"),
    ("lp", 4, 7, "/var/spool/lpd", "/sbin/nologin"),
    ("mail", 8, 12, "/var/spool/mail", "/sbin/nologin"),
    ("news", 9, 13, "/var/spool/news", ""),
    ("ftp", 14, 50, "/var/ftp", "/sbin/nologin"),
    ("nobody", 99, 99, "/", "/sbin/nologin"),
    ("mailnull", 47, 47, "/var/spool/mqueue", "/dev/null"),
    ("rpm", 37, 37, "/var/lib/rpm", "/bin/sh"),
    ("xfs", 43, 43, "/etc/X11/fs", "/bin/false"),
    ("rpc", 32, 32, "/", "/bin/false"),
    ("rpcuser", 29, 29, "/var/lib/nfs", "/sbin/nologin"),
    ("nfsnobody", 65534, 65534, "/var/lib/nfs", "/sbin/nologin"),
    ("squid", 23, 23, "/var/spool/squid", "/dev/null"),
    ("named", 25, 25, "/var/named", "/bin/false"),
    ("apache", 48, 48, "/var/www", "/bin/false"),
    ("user", 500, 500, "/home/user", "/bin/sh"),
)
_GROUPS: Final = (
    *(("root", 0), ("bin", 1), ("daemon", 2), ("sys", 3), ("adm", 4), ("tty", 5), ("disk", 6), ("lp", 7)),
    *(("mem", 8), ("kmem", 9), ("wheel", 10), ("mail", 12), ("news", 13), ("uucp", 14), ("man", 15)),
    *(("floppy", 19), ("games", 20), ("slocate", 21), ("utmp", 22), ("squid", 23), ("named", 25)),
    *(("rpcuser", 29), ("rpc", 32), ("rpm", 37), ("xfs", 43), ("mailnull", 47), ("apache", 48), ("ftp", 50)),
    *(("lock", 54), ("nobody", 99), ("users", 100), ("user", 500), ("nfsnobody", 65534)),
)


def add_settings(root: TreeBuilder) -> None:
    """Add the files of /etc that all distributions share."""
    passwd = "".join(
        f"{name}:x:{uid}:{gid}:{name}:{home}:{shell}\n" for name, uid, gid, home, shell in _USERS
    )
    shadow = "".join(
        f"{name}:{ROOT_HASH if name == 'root' else '*'}:11617:0:99999:7:::\n" for name, *_ in _USERS
    )
    root.file("etc/passwd", passwd)
    root.file("etc/passwd-", passwd)
    root.file("etc/shadow", shadow, 0o400)
    root.file("etc/group", "".join(f"{name}:x:{gid}:\n" for name, gid in _GROUPS))
    root.file("etc/gshadow", "".join(f"{name}:::\n" for name, _ in _GROUPS), 0o400)
    root.file(
        "etc/fstab",
        "/dev/ubd/0\t\t/\t\text2\tdefaults\t1 1\n"
        "none\t\t\t/dev/pts\tdevpts\tgid=5,mode=620\t0 0\n"
        "none\t\t\t/proc\t\tproc\tdefaults\t0 0\n"
        "none\t\t\t/dev/shm\ttmpfs\tdefaults\t0 0\n",
    )
    root.file("etc/mtab", "/dev/ubd/0 / ext2 rw 0 0\nnone /proc proc rw 0 0\n")
    root.file("etc/hosts", "127.0.0.1\tlocalhost.localdomain localhost\n")
    root.file("etc/nsswitch.conf", "passwd: files nisplus\nshadow: files nisplus\nhosts: files nisplus dns\n")
    root.file("etc/securetty", "".join(f"{line}\n" for line in ("tty0", *(f"tty{n}" for n in range(1, 12)))))
    root.file("etc/shells", "/bin/sh\n/bin/bash\n")
    root.file("etc/ld.so.conf", "/usr/X11R6/lib\n")
    root.file("etc/exports", "")
    root.file("etc/motd", "")
    root.file("etc/ssh/sshd_config", "#Port 22\nProtocol 2,1\nPermitRootLogin yes\n", 0o600)
    root.file("etc/crontab", "SHELL=/bin/sh\nMAILTO=root\n01 * * * * root run-parts /etc/cron.hourly\n")
    root.file("etc/cron.daily/slocate.cron", "#!/bin/sh\n/usr/bin/updatedb -f proc -e /tmp\n", 0o755)


def add_red_hat_network(root: TreeBuilder) -> None:
    """Add Red Hat's network settings, with an interface that uses DHCP, and its scripts."""
    root.file("etc/sysconfig/network", "NETWORKING=yes\nHOSTNAME=localhost.localdomain\n")
    root.file("etc/sysconfig/keyboard", 'KEYTABLE="us"\n')
    root.file("etc/sysconfig/clock", 'ZONE="America/New_York"\nUTC=true\nARC=false\n')
    scripts = "etc/sysconfig/network-scripts"
    root.file(f"{scripts}/ifcfg-lo", "DEVICE=lo\nIPADDR=127.0.0.1\nNETMASK=255.0.0.0\nONBOOT=yes\n")
    root.file(f"{scripts}/ifcfg-eth0", "DEVICE=eth0\nBOOTPROTO=dhcp\nONBOOT=yes\n")
    root.script(
        f"{scripts}/ifup",
        '#!/bin/sh\n# Brings the interface up that its first argument names.\n\n. "./ifcfg-$1"\n'
        '/sbin/ifconfig "$DEVICE" "$IPADDR" netmask "$NETMASK" up\n',
    )
    root.script(
        f"{scripts}/ifdown",
        '#!/bin/sh\n# Takes the interface down.\n\n. "./ifcfg-$1"\n/sbin/ifconfig "$DEVICE" down\n',
    )
    root.symlink("sbin/ifup", f"../{scripts}/ifup")
    root.symlink("sbin/ifdown", f"../{scripts}/ifdown")


def add_caldera_network(root: TreeBuilder) -> None:
    """Add Caldera's network settings."""
    root.file("etc/sysconfig/network", "NETWORKING=yes\nHOSTNAME=localhost\nIF_LIST='lo eth'\n")
    root.file("etc/sysconfig/network-scripts/ifcfg-eth0", "DEVICE=eth0\nIFTYPE=dhcp\nONBOOT=yes\n")
    root.script("etc/sysconfig/network-scripts/ifup", "#!/bin/sh\n/sbin/ifconfig $1 up\n")

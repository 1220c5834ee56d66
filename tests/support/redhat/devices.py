"""/dev of the time before devfs and udev: all device nodes that may be needed, and User-Mode Linux's disks.

Numbers are from Documentation/devices.txt of Linux 2.4, owners and modes from Red Hat's MAKEDEV.
"""

from typing import Final

from redhat.tree_builder import TreeBuilder
from ssiuml.tree.tree import Kind

UBD_MAJOR: Final = 98
UBD_DISKS: Final = 16
_TTY, _DISK, _KMEM, _FLOPPY, _UUCP = 5, 6, 9, 19, 14
_PTY_ROWS, _HEX = "pqrstuvwxyzabcde", "0123456789abcdef"


def add_devices(root: TreeBuilder) -> None:
    """Add some seven hundred device nodes, the FIFO of init and the socket of syslogd."""
    _add_memory(root)
    _add_terminals(root)
    _add_disks(root)
    _add_ubd(root)
    root.special("dev/initctl", Kind.FIFO, 0o600)
    root.special("dev/gpmctl", Kind.SOCKET, 0o777)
    root.special("dev/log", Kind.SOCKET, 0o666)
    root.folder("dev/pts")
    root.folder("dev/shm")
    root.file("dev/MAKEDEV", "#!/bin/sh\nexit 0\n", 0o755)
    for number in range(3):
        root.symlink(f"dev/{('stdin', 'stdout', 'stderr')[number]}", f"../proc/self/fd/{number}")
    root.symlink("dev/fd", "../proc/self/fd")
    root.symlink("dev/core", "/proc/kcore")
    root.symlink("dev/cdrom", "/dev/hdc")
    root.symlink("dev/mouse", "psaux")


def _add_memory(root: TreeBuilder) -> None:
    for name, minor, mode in (
        ("mem", 1, 0o640),
        ("kmem", 2, 0o640),
        ("null", 3, 0o666),
        ("port", 4, 0o640),
        ("zero", 5, 0o666),
        ("full", 7, 0o622),
        ("random", 8, 0o644),
        ("urandom", 9, 0o644),
    ):
        root.device(f"dev/{name}", "c", 1, minor, mode, gid=_KMEM if mode == 0o640 else 0)
    root.device("dev/psaux", "c", 10, 1, 0o644)
    root.device("dev/rtc", "c", 10, 135, 0o644)


def _add_terminals(root: TreeBuilder) -> None:
    root.device("dev/tty", "c", 5, 0, 0o666)
    root.device("dev/console", "c", 5, 1, 0o600)
    root.device("dev/ptmx", "c", 5, 2, 0o666)
    for minor in range(64):
        root.device(f"dev/tty{minor}", "c", 4, minor, 0o620, gid=_TTY)
        if minor < 16:
            root.device(f"dev/ttyS{minor}", "c", 4, 64 + minor, 0o660, gid=_UUCP)
    for minor, (row, column) in enumerate((row, column) for row in _PTY_ROWS[:8] for column in _HEX):
        root.device(f"dev/pty{row}{column}", "c", 2, minor, 0o666, gid=_TTY)
        root.device(f"dev/tty{row}{column}", "c", 3, minor, 0o666, gid=_TTY)


def _add_disks(root: TreeBuilder) -> None:
    for name, major, first in (("hda", 3, 0), ("hdb", 3, 64), ("hdc", 22, 0), ("hdd", 22, 64)):
        root.device(f"dev/{name}", "b", major, first, 0o660, gid=_DISK)
        for part in range(1, 17):
            root.device(f"dev/{name}{part}", "b", major, first + part, 0o660, gid=_DISK)
    for number, letter in enumerate("abcdefgh"):
        root.device(f"dev/sd{letter}", "b", 8, 16 * number, 0o660, gid=_DISK)
        for part in range(1, 16):
            root.device(f"dev/sd{letter}{part}", "b", 8, 16 * number + part, 0o660, gid=_DISK)
    for number in range(16):
        root.device(f"dev/loop{number}", "b", 7, number, 0o660, gid=_DISK)
        root.device(f"dev/ram{number}", "b", 1, number, 0o660, gid=_DISK)
        root.device(f"dev/md{number}", "b", 9, number, 0o660, gid=_DISK)
    root.device("dev/fd0", "b", 2, 0, 0o660, gid=_FLOPPY)
    root.symlink("dev/ramdisk", "ram0")


def _add_ubd(root: TreeBuilder) -> None:
    # A disk has one minor number here. When disks got partitions, it became sixteen (HOWTO 5.6).
    for number in range(UBD_DISKS):
        root.device(f"dev/ubd/{number}", "b", UBD_MAJOR, number, 0o660, gid=_DISK)
        root.symlink(f"dev/ubd{number}", f"ubd/{number}")

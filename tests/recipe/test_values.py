"""Values that a recipe cannot have: the messages for the user, word for word."""

from collections.abc import Callable

import pytest

ErrorOf = Callable[[str], str]

PACKAGE_HINT = "write two or more of a-z, 0-9, '+', '-' and '.', and begin with a letter or digit"
PATH_HINT = "write the path from the image's root, with no '.', '..' or '//' in it, such as /etc/motd"
SIZE_HINT = "write a number and a unit, such as 512, 32 MiB or 2 GiB"
LOCK_HINT = (
    "write \"CLUSTER:FILESYSTEM\", at most 32 and 30 letters, digits, '_' and '-', such as \"ssi:root\""
)

# Text below `extends: base`, which is line 1, and the message behind "recipes/mine.yaml:".
WRONG_VALUES = [
    (
        "description: ' '",
        "2: description: ' ' is not one line of text\n  say in one line what the image is for",
    ),
    (
        "description: |\n  a\n  b",
        "2: description: 'a\\nb\\n' is not one line of text\n  say in one line what the image is for",
    ),
    (
        "filesystem: {writer: loop}",
        "2: filesystem.writer: 'loop' is not possible\n  write direct or appliance",
    ),
    ("distribution: {name: fedora}", "2: distribution.name: 'fedora' is not possible\n  write debian"),
    (
        "distribution: {mirror: 'ftp://x'}",
        "2: distribution.mirror: 'ftp://x' is not the address of a mirror\n"
        "  write an address such as http://deb.debian.org/debian",
    ),
    ("distribution: {components: []}", "2: distribution.components: the list is empty\n  name at least one"),
    (
        "distribution: {snapshot: 2026-01-01}",
        "2: distribution.snapshot: '2026-01-01' is not a time\n"
        '  write "YYYYMMDDThhmmssZ", such as "20260101T000000Z"',
    ),
    (
        "distribution: {snapshot: 20261301T000000Z}",
        "2: distribution.snapshot: '20261301T000000Z' is not a time\n"
        '  write "YYYYMMDDThhmmssZ", such as "20260101T000000Z"',
    ),
    ("packages: [GDB]", f"2: packages[0]: 'GDB' is not the name of a Debian package\n  {PACKAGE_HINT}"),
    (
        "packages: ['gdb=1.0']",
        f"2: packages[0]: 'gdb=1.0' is not the name of a Debian package\n  {PACKAGE_HINT}",
    ),
    (
        "packages: [gdb-]",
        "2: packages[0]: 'gdb-' ends in '-', which apt takes as a wish to remove it\n  write gdb",
    ),
    (
        "packages:\n- gdb\n- acl\n- gdb",
        "5: packages[2]: 'gdb' is listed twice, it is item 1 already\n  remove one of them",
    ),
    ("prune: [ssh, ssh]", "2: prune[1]: 'ssh' is listed twice, it is item 1 already\n  remove one of them"),
    (
        "initrd: {tools: [/a, /a]}",
        "2: initrd.tools[1]: '/a' is listed twice, it is item 1 already\n  remove one of them",
    ),
    (
        "initrd: {modules: [a, a]}",
        "2: initrd.modules[1]: 'a' is listed twice, it is item 1 already\n  remove one of them",
    ),
    (
        "kernel: {modules: [a, a]}",
        "2: kernel.modules[1]: 'a' is listed twice, it is item 1 already\n  remove one of them",
    ),
    (
        "prune: [S55sshd]",
        "2: prune[0]: 'S55sshd' has the order in its name\n  write only the name of the service: sshd",
    ),
    (
        "prune: [../x]",
        "2: prune[0]: '../x' is not the name of a service\n  write it as in /etc/init.d, such as ssh",
    ),
    (
        "kernel: {modules: [gfs2.ko]}",
        "2: kernel.modules[0]: 'gfs2.ko' is not the name of a kernel module\n"
        "  write it as modprobe takes it, such as gfs2",
    ),
    (
        "kernel: {modules: gfs2}",
        "2: kernel.modules: 'gfs2' is neither all nor a list of modules\n"
        "  write modules: all, or modules: [gfs2, dlm]",
    ),
    (
        "kernel: {parameters: [quiet debug]}",
        "2: kernel.parameters[0]: 'quiet debug' is not a kernel parameter\n"
        "  write NAME or NAME=VALUE, without spaces and quotes",
    ),
    (
        "kernel: {parameters: [quiet, ubd1=/etc/shadow]}",
        "2: kernel.parameters[1]: 'ubd1=/etc/shadow' is an option of User-Mode Linux itself, which only the "
        "commands that start nodes may set\n  leave it out",
    ),
    (
        "kernel: {parameters: [ssi.node=1]}",
        "2: kernel.parameters[0]: 'ssi.node=1' is set by the commands that start nodes\n  leave it out",
    ),
    (
        "files: [{path: etc/motd, content: a}]",
        f"2: files[0].path: 'etc/motd' is not an absolute path of a file\n  {PATH_HINT}",
    ),
    (
        "files: [{path: /, content: a}]",
        f"2: files[0].path: '/' is not an absolute path of a file\n  {PATH_HINT}",
    ),
    (
        "files: [{path: /a/../b, content: a}]",
        f"2: files[0].path: '/a/../b' is not a normalised path\n  {PATH_HINT}",
    ),
    ("files: [{path: /a/, content: a}]", f"2: files[0].path: '/a/' is not a normalised path\n  {PATH_HINT}"),
    (
        "files: [{path: /a/./b, content: a}]",
        f"2: files[0].path: '/a/./b' is not a normalised path\n  {PATH_HINT}",
    ),
    (
        "files: [{path: /a}]",
        "2: files[0]: /a has neither content nor source\n"
        "  give it content: TEXT or source: FILE, one of them",
    ),
    (
        "files: [{path: /a, content: a, source: b}]",
        "2: files[0]: /a has both content and source\n  give it content: TEXT or source: FILE, one of them",
    ),
    (
        "files: [{path: /a, source: /b}]",
        "2: files[0].source: '/b' is not a relative path\n  write the path from the folder of the recipe",
    ),
    (
        "files: [{path: /a, source: missing}]",
        "2: files[0].source: there is no file 'missing'\n  write the path from the folder of the recipe",
    ),
    (
        "files: [{path: /a, content: a, mode: '0888'}]",
        "2: files[0].mode: '0888' is not an octal mode\n"
        '  write three or four digits 0-7, such as "0644" or "4755"',
    ),
    (
        "files: [{path: /a, content: a, uid: -1}]",
        "2: files[0].uid: -1 is outside 0 to 4294967294\n  write the number of a user",
    ),
    (
        "files:\n- {path: /a, content: a}\n- {path: /a, content: b}",
        "4: files[1].path: '/a' is also the path of files[0]\n  remove one of them",
    ),
    (
        "source_date_epoch: -1",
        "2: source_date_epoch: -1 is outside 0 to 4294967295\n"
        "  write seconds since 1970, as `date +%s` prints them",
    ),
    ("sizes: {root_fs: huge}", f"2: sizes.root_fs: 'huge' is not a size\n  {SIZE_HINT}"),
    ("sizes: {root_fs: 1.5}", f"2: sizes.root_fs: this is not a size\n  {SIZE_HINT}"),
    (
        "filesystem: {block_size: 8192}",
        "2: filesystem.block_size: 8192 is not a block size of GFS\n  write 4096 (or 512, 1024, 2048)",
    ),
    (
        "filesystem: {journals: 65}",
        "2: filesystem.journals: 65 is outside 1 to 64\n"
        "  write as many as nodes mount the root: each needs its own journal",
    ),
    (
        "filesystem: {journal_size: 4 MiB}",
        "2: filesystem.journal_size: 4 MiB is outside 8 MiB to 1 GiB\n"
        "  write a size within the limits of mkfs.gfs2 and of good sense",
    ),
    (
        "filesystem: {journal_size: 8193 KiB}",
        "2: filesystem.journal_size: 8193 KiB is not a whole number of MiB\n  write it in MiB",
    ),
    (
        "filesystem: {lock_protocol: dlm}",
        "2: filesystem.lock_protocol: 'dlm' is not possible\n  write lock_dlm or lock_nolock",
    ),
    ("filesystem: {lock_table: ssi}", f"2: filesystem.lock_table: 'ssi' is not a lock table\n  {LOCK_HINT}"),
    (
        f"filesystem: {{lock_table: 's:{'x' * 31}'}}",
        f"2: filesystem.lock_table: 's:{'x' * 31}' is not a lock table\n  {LOCK_HINT}",
    ),
    (
        "cluster: {node_limit: 16}",
        "2: cluster.node_limit: 16 is outside 1 to 15\n"
        "  write 1 to 15, the numbers of nodes in the SSI/UML HOWTO",
    ),
    (
        "cluster: {node_limit: 0}",
        "2: cluster.node_limit: 0 is outside 1 to 15\n"
        "  write 1 to 15, the numbers of nodes in the SSI/UML HOWTO",
    ),
    (
        "cluster: {network: 192.168.50.1}",
        "2: cluster.network: '192.168.50.1' is not an IPv4 network\n"
        "  write address/length, such as 192.168.50.0/24",
    ),
    (
        "cluster: {network: 192.168.50.1/24}",
        "2: cluster.network: '192.168.50.1/24' is the address of a host, "
        "not of a network\n  write 192.168.50.0/24",
    ),
    (
        "cluster: {network: 'fd00::/64'}",
        "2: cluster.network: 'fd00::/64' is not an IPv4 network\n"
        "  write address/length, such as 192.168.50.0/24",
    ),
    (
        "cluster: {timings: {join_ms: 5}}",
        "2: cluster.timings.join_ms: 5 is outside 30 to 600000\n"
        "  write 30 or more: corosync takes no less than 30 ms",
    ),
    (
        "initrd: {limit: 1}",
        "2: initrd.limit: 1 byte is outside 1 MiB to 1 GiB\n"
        "  write a size in this range: the initrd takes up every node's memory",
    ),
    (
        "root_password_hash: secret",
        "2: root_password_hash: this is not a password hash\n"
        '  make one with: openssl passwd -6 (or write "!" for none)',
    ),
    (
        "release: {root: a/b}",
        "2: release.root: 'a/b' is not the name of a release\n"
        "  use letters, digits, '.', '_' and '-', and begin with a-z or 0-9: it begins a file name",
    ),
    (
        "release: {root: utils-x}",
        "2: release: root and utils have the same name 'utils-x'\n  give each its own",
    ),
]


@pytest.mark.parametrize(("text", "message"), WRONG_VALUES)
def test_impossible_value_is_an_error_with_a_hint(error_of: ErrorOf, text: str, message: str) -> None:
    assert error_of(f"extends: base\n{text}\n") == f"recipes/mine.yaml:{message}"


def test_password_without_a_hash_does_not_appear_in_the_error(error_of: ErrorOf) -> None:
    assert "secret" not in error_of("extends: base\nroot_password_hash: secret\n")

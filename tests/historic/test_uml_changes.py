"""The changes to a root of 2002 for User-Mode Linux: block devices, and marked lines of inittab.ssi."""

import pytest

from ssiuml.errors import SsiumlError
from ssiuml.historic.uml_changes import edit_for_uml, ubd_layer
from ssiuml.tree.tree import Kind, Meta, Node, Tree

HEAD = "# inittab of the cluster\nid:3:initdefault:\nl3:3:wait:/etc/rc.d/rc 3\n"
DHCP = "dh:3:once:/usr/sbin/dhcpd eth0\n"
GETTY = "1:2345:respawn:/sbin/mingetty tty1\n"
TAIL = "2:2345:respawn:/sbin/mingetty tty2\n"


def devices(tree: Tree) -> dict[str, tuple[int, int] | None]:
    return {path: node.device for path, node in tree.walk("dev") if node.kind is Kind.BLOCK}


def test_block_devices_get_their_new_numbers_and_missing_ones_are_made() -> None:
    tree = Tree()
    for name, minor in (("ubd/0", 0), ("ubd/1", 1), ("ubd1", 1), ("hda", 0)):
        major = 3 if name == "hda" else 98
        tree.add(f"dev/{name}", Node(Kind.BLOCK, Meta(mode=0o600, gid=9), device=(major, minor)))
    ubd_layer(tree, 3, 5).apply(tree)
    # HOWTO 5.6: 98,0 98,16 98,32.
    wanted = {"dev/ubd/0": (98, 0), "dev/ubd/1": (98, 16), "dev/ubd/2": (98, 32), "dev/ubd1": (98, 16)}
    assert devices(tree) == {**wanted, "dev/hda": (3, 0)}
    assert (tree.lookup("dev/ubd/1").meta.mode, tree.lookup("dev/ubd/1").meta.gid) == (0o600, 9)
    assert tree.lookup("dev/ubd/2").meta == Meta(mode=0o660, gid=6, mtime_ns=5)


def test_the_last_of_sixteen_block_devices_has_minor_number_240() -> None:
    tree = Tree()
    ubd_layer(tree, 16, 0).apply(tree)
    assert devices(tree)["dev/ubd/15"] == (98, 240)


def edited(text: str) -> str:
    return edit_for_uml(text, "/etc/inittab.ssi")


def test_lines_below_their_marks_are_changed_and_no_others() -> None:
    marked = HEAD + "# For UML, turn this off\n" + DHCP + "# For UML use tty0\n" + GETTY + TAIL
    assert edited(marked) == marked.replace(DHCP, f"#{DHCP}").replace("tty1", "tty0")


def test_lines_with_their_marks_behind_them_are_changed_and_no_others() -> None:
    dhcp, getty = DHCP.rstrip() + "\t# For UML: off\n", GETTY.rstrip() + "\t# for UML: tty0\n"
    assert edited(HEAD + dhcp + getty + TAIL) == HEAD + f"#{dhcp}" + getty.replace("tty1", "tty0") + TAIL


def test_a_commented_line_for_user_mode_linux_takes_the_place_of_the_other() -> None:
    other = "#1:2345:respawn:/sbin/mingetty tty0\n"
    marked = HEAD + GETTY + "# For UML:\n" + other + "# For UML: no\n\n" + DHCP
    assert edited(marked) == HEAD + f"#{GETTY}# For UML:\n{other[1:]}# For UML: no\n\n#{DHCP}"


def test_a_dhcp_daemon_that_is_turned_off_already_stays_off() -> None:
    marked = HEAD + "# For UML\n#" + DHCP + "# For UML\n" + GETTY
    assert edited(marked) == marked.replace("tty1", "tty0")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "no mark 'For UML' at a line that starts a DHCP daemon and at a line with a getty on tty1"),
        (HEAD + DHCP + GETTY, "there is no mark 'For UML' at"),
        ("# For UML\n" + DHCP, "/etc/inittab.ssi: there is no mark 'For UML' at a line with a getty on tty1"),
        (
            "# For UML\n" + TAIL,
            "/etc/inittab.ssi:2: '2:2345:respawn:/sbin/mingetty tty2' is marked 'For UML', but it starts no "
            "DHCP daemon and no getty on tty1 or tty0",
        ),
        ("# For UML\n\n", "/etc/inittab.ssi:1: no line follows the mark"),
        ("# For UML\n#1:2:respawn:/sbin/mingetty tty0\n" + GETTY + GETTY, "has 2 gettys on tty1"),
    ],
)
def test_a_file_of_another_form_is_refused_with_a_hint_where_marks_belong(text: str, message: str) -> None:
    with pytest.raises(SsiumlError) as error:
        edited(text)
    assert message in str(error.value)
    assert error.value.hint == (
        "put a comment with 'For UML' at a line that starts a DHCP daemon and at a line with a getty on tty1"
    )

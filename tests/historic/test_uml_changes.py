"""inittab.ssi: the marked lines are changed, whatever plausible form the marks have, and nothing else."""

import pytest

from ssiuml.historic.uml_changes import InittabError, edit_for_uml

HEAD = "# inittab of the cluster\nid:3:initdefault:\nl3:3:wait:/etc/rc.d/rc 3\n"
DHCP = "dh:3:once:/usr/sbin/dhcpd eth0\n"
GETTY = "1:2345:respawn:/sbin/mingetty tty1\n"
TAIL = "2:2345:respawn:/sbin/mingetty tty2\n"


def edited(text: str) -> str:
    return edit_for_uml(text, "/etc/inittab.ssi")


def test_marks_above_their_lines() -> None:
    marked = HEAD + "# For UML, turn this off\n" + DHCP + "# For UML use tty0\n" + GETTY + TAIL
    assert edited(marked) == marked.replace(DHCP, f"#{DHCP}").replace("tty1", "tty0")


def test_marks_behind_their_lines() -> None:
    dhcp, getty = DHCP.rstrip() + "\t# For UML: off\n", GETTY.rstrip() + "\t# for UML: tty0\n"
    assert edited(HEAD + dhcp + getty + TAIL) == HEAD + f"#{dhcp}" + getty.replace("tty1", "tty0") + TAIL


def test_alternative_below_its_mark_is_taken() -> None:
    other = "#1:2345:respawn:/sbin/mingetty tty0\n"
    marked = HEAD + GETTY + "# For UML:\n" + other + "# For UML: no\n\n" + DHCP
    assert edited(marked) == HEAD + f"#{GETTY}# For UML:\n{other[1:]}# For UML: no\n\n#{DHCP}"


def test_what_is_off_already_stays_off() -> None:
    marked = HEAD + "# For UML\n#" + DHCP + "# For UML\n" + GETTY
    assert edited(marked) == marked.replace("tty1", "tty0")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "a line that starts a DHCP daemon and a line with a getty on tty1 is not marked"),
        (HEAD + DHCP + GETTY, "is not marked 'For UML'"),
        ("# For UML\n" + DHCP, "/etc/inittab.ssi: a line with a getty on tty1 is not marked"),
        (
            "# For UML\n" + TAIL,
            "/etc/inittab.ssi:2: '2:2345:respawn:/sbin/mingetty tty2' is not what was expected",
        ),
        ("# For UML\n\n", "/etc/inittab.ssi:1: there is no line for the mark"),
        ("# For UML\n#1:2:respawn:/sbin/mingetty tty0\n" + GETTY + GETTY, "has 2 gettys on tty1"),
    ],
)
def test_unexpected_file_is_refused_and_what_was_looked_for_is_told(text: str, said: str) -> None:
    with pytest.raises(InittabError) as caught:
        edited(text)
    assert said in str(caught.value)
    assert "looked for: comments with 'For UML'" in str(caught.value)

"""Messages on the control line, and any other bytes that may come over it."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ssiuml.cluster import control_line
from ssiuml.cluster.control_line import LINE_LIMIT_BYTES, ControlError, LineBuffer, Message, parse_message


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (b"hello 3", Message("hello", node=3)),
        (b"members 1 2 15", Message("members", members=(1, 2, 15))),
        (b"members", Message("members")),
        (b"mount 1", Message("mount", members=(1,))),
        (b"mounted", Message("mounted")),
        (b"ready\r", Message("ready")),
        (b"fence 12 2 1 3", Message("fence", 2, (1, 3), "12")),
        (b"fence a-b 2", Message("fence", 2, (), "a-b")),
        (b"pong p7", Message("pong", 0, (), "p7")),
        (b"failed root: no /dev/ubda", Message("failed", text="root: no /dev/ubda")),
        (b"failed", Message("failed")),
        *((word.encode(), Message(word)) for word in ("leaving", "unmounted", "left")),
    ],
)
def test_each_message_of_a_node_is_read(line: bytes, message: Message) -> None:
    assert parse_message(line) == message


@pytest.mark.parametrize(
    "line",
    [
        *(b"", b"hello", b"hello x", b"hello 0", b"hello 1 2", b"hello -1", b"hello 1000", b"hello  1"),
        *(b"mounted 1", b"fence", b"fence 1", b"fence 1 x", b"pong", b"pong a b", b"members 1 x", b"go"),
        *(b"\xff\xfe", "members ²".encode(), b"hello \xd9\xa1", b"Hello 1", b" hello 1", b"members 1 "),
    ],
)
def test_a_line_that_is_not_a_message_is_refused(line: bytes) -> None:
    with pytest.raises(ControlError):
        parse_message(line)


@given(st.binary(max_size=200))
def test_any_bytes_are_a_message_or_are_refused(line: bytes) -> None:
    with contextlib.suppress(ControlError):
        parse_message(line)


@given(st.lists(st.binary(max_size=20).filter(lambda line: b"\n" not in line)), st.integers(1, 7))
def test_lines_are_the_same_however_the_stream_is_cut(lines: list[bytes], piece: int) -> None:
    data = b"".join(line + b"\n" for line in lines)
    buffer = LineBuffer()
    found = [
        line for start in range(0, len(data), piece) for line in buffer.feed(data[start : start + piece])
    ]
    assert found == lines


def test_a_line_that_never_ends_takes_no_memory_and_the_next_one_is_read() -> None:
    buffer = LineBuffer()
    for _ in range(100):
        assert buffer.feed(b"x" * LINE_LIMIT_BYTES) == []
    assert buffer.feed(b"tail\nhello 1\n") == [b"hello 1"]


def test_each_message_of_the_supervisor_is_one_line() -> None:
    assert control_line.ping("p1") == b"ping p1\n"
    assert control_line.fenced("7", is_dead=True) == b"fenced 7 ok\n"
    assert control_line.fenced("7", is_dead=False) == b"fenced 7 failed\n"

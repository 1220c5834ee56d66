"""Frames on the line that carries ssh, and the window that keeps the guest's input buffer from filling."""

from hypothesis import given
from hypothesis import strategies as st

from ssiuml.cluster.ssh_mux import PAYLOAD_BYTES, WINDOW_BYTES, Frame, FrameReader, SendWindow

HELLO = Frame(b"H", 0, b"abcdefghijklmnop")
frames = st.builds(
    Frame, st.sampled_from([b"A", b"O", b"D", b"C"]), st.integers(0, 255), st.binary(max_size=50)
)


def acknowledged(count: int) -> Frame:
    return Frame(b"A", 0, count.to_bytes(2, "big"))


def test_a_frame_has_the_layout_of_the_guests_program() -> None:
    # perl: pack('a C n', 'D', 5, 2) . 'xy'
    assert Frame(b"D", 5, b"xy").encode() == b"D\x05\x00\x02xy"


@given(st.lists(frames, max_size=20), st.integers(1, 9))
def test_frames_are_the_same_however_the_stream_is_cut(sent: list[Frame], piece: int) -> None:
    data = b"".join(frame.encode() for frame in sent)
    reader = FrameReader()
    assert [f for i in range(0, len(data), piece) for f in reader.feed(data[i : i + piece])] == sent


def test_after_bytes_that_are_no_frame_reading_goes_on_with_the_next_hello() -> None:
    reader = FrameReader()
    assert reader.feed(b"Kernel panic - not syncing\r\n") == []
    assert reader.feed(HELLO.encode() + Frame(b"C", 1).encode()) == [HELLO, Frame(b"C", 1)]


def test_nothing_is_sent_before_the_guests_side_has_started() -> None:
    window = SendWindow()
    window.put(Frame(b"O", 1))
    assert window.take() == b""
    assert window.begin(HELLO) == HELLO.encode()
    assert window.take() == b"", "frames from before the start are not sent"


@given(st.lists(st.integers(0, PAYLOAD_BYTES), max_size=30), st.lists(st.integers(1, 4096), max_size=60))
def test_never_more_bytes_are_unacknowledged_than_the_window(sizes: list[int], reads: list[int]) -> None:
    window = SendWindow()
    unacknowledged = len(window.begin(HELLO))
    for size in sizes:
        window.put(Frame(b"D", 1, bytes(size)))
    for read in reads:
        unacknowledged += len(window.take())
        assert unacknowledged <= WINDOW_BYTES
        count = min(read, unacknowledged)
        window.acknowledge(acknowledged(count))
        unacknowledged -= count


def test_all_frames_are_sent_in_order_when_all_bytes_are_acknowledged() -> None:
    window = SendWindow()
    window.acknowledge(acknowledged(len(window.begin(HELLO))))
    sent = b"".join(Frame(b"D", 1, bytes([n]) * PAYLOAD_BYTES).encode() for n in range(40))
    for n in range(40):
        window.put(Frame(b"D", 1, bytes([n]) * PAYLOAD_BYTES))
    got = b""
    while data := window.take():
        got += data
        window.acknowledge(acknowledged(len(data)))
    assert got == sent

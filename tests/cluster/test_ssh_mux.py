"""Frames on the door's line: whole however they come, never more on the way than the guest can take."""

from hypothesis import given
from hypothesis import strategies as st

from ssiuml.cluster.ssh_mux import PAYLOAD_BYTES, WINDOW_BYTES, Frame, FrameReader, Window

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
def test_frames_are_cut_alike_however_they_come(sent: list[Frame], piece: int) -> None:
    data = b"".join(frame.encode() for frame in sent)
    reader = FrameReader()
    assert [f for i in range(0, len(data), piece) for f in reader.feed(data[i : i + piece])] == sent


def test_after_rubbish_it_goes_on_with_the_next_start() -> None:
    reader = FrameReader()
    assert reader.feed(b"Kernel panic - not syncing\r\n") == []
    assert reader.feed(HELLO.encode() + Frame(b"C", 1).encode()) == [HELLO, Frame(b"C", 1)]


def test_nothing_is_sent_before_the_guest_has_begun() -> None:
    window = Window()
    window.put(Frame(b"O", 1))
    assert window.take() == b""
    assert window.begin(HELLO) == HELLO.encode()
    assert window.take() == b"", "what was meant for the side before is not sent"


@given(st.lists(st.integers(0, PAYLOAD_BYTES), max_size=30), st.lists(st.integers(1, 4096), max_size=60))
def test_never_more_is_on_the_way_than_the_window(sizes: list[int], reads: list[int]) -> None:
    window = Window()
    on_the_way = len(window.begin(HELLO))
    for size in sizes:
        window.put(Frame(b"D", 1, bytes(size)))
    for read in reads:
        on_the_way += len(window.take())
        assert on_the_way <= WINDOW_BYTES
        count = min(read, on_the_way)
        window.acknowledge(acknowledged(count))
        on_the_way -= count


def test_all_is_sent_in_order_when_everything_is_acknowledged() -> None:
    window = Window()
    window.acknowledge(acknowledged(len(window.begin(HELLO))))
    sent = b"".join(Frame(b"D", 1, bytes([n]) * PAYLOAD_BYTES).encode() for n in range(40))
    for n in range(40):
        window.put(Frame(b"D", 1, bytes([n]) * PAYLOAD_BYTES))
    got = b""
    while data := window.take():
        got += data
        window.acknowledge(acknowledged(len(data)))
    assert got == sent

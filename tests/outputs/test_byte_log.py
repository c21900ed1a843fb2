"""Tests of headend.outputs.byte_log."""

from hypothesis import given
from hypothesis import strategies as st

from headend.outputs.byte_log import ByteLog


def read_all(log: ByteLog, position: int) -> bytes:
    out = b""
    while position < log.end:
        piece = log.read(position)
        assert piece
        out += piece
        position += len(piece)
    return out


def test_nothing_is_kept_before_the_first_start() -> None:
    log = ByteLog()
    log.append(b"abc")
    assert log.start is None
    assert log.end == 3


def test_start_may_lie_inside_a_block() -> None:
    log = ByteLog()
    log.append(b"abc")
    log.restart(b"deKEY", 2)
    log.append(b"xy")
    assert (log.start, log.end) == (5, 10)
    assert read_all(log, 5) == b"KEYxy"


def test_reading_may_begin_anywhere() -> None:
    log = ByteLog()
    log.restart(b"KEY", 0)
    log.append(b"abc")
    log.append(b"def")
    assert [read_all(log, position) for position in range(9)] == [
        b"KEYabcdef"[position:] for position in range(9)
    ]


def test_new_start_forgets_what_was_before() -> None:
    log = ByteLog()
    log.restart(b"KEY", 0)
    log.append(b"abc")
    log.restart(b"deKEY2", 2)
    assert (log.start, log.end) == (8, 12)
    assert read_all(log, 8) == b"KEY2"


def test_start_at_the_very_end_is_followed_by_what_comes() -> None:
    log = ByteLog()
    log.restart(b"abc", 3)
    assert (log.start, log.end) == (3, 3)
    log.append(b"def")
    assert read_all(log, 3) == b"def"


def test_cleared_log_goes_on_counting() -> None:
    log = ByteLog()
    log.restart(b"KEY", 0)
    log.clear()
    log.append(b"abc")
    assert (log.start, log.end) == (None, 6)
    log.restart(b"KEY", 0)
    assert log.end == 9
    assert read_all(log, 6) == b"KEY"


def test_small_blocks_are_merged_once_and_shared_by_all_that_read_them() -> None:
    log = ByteLog()
    log.restart(b"K" * 1000, 0)
    for _ in range(200):
        log.append(b"x" * 1000)
    first = log.read(0)
    assert 100 * 1024 < len(first) <= 128 * 1024
    assert log.read(0) is first


def test_large_block_is_given_as_it_is() -> None:
    log = ByteLog()
    block = bytes(200 * 1024)
    log.restart(block, 0)
    log.append(b"x")
    assert log.read(0) is block
    assert log.read(len(block)) == b"x"


BLOCKS = st.lists(
    st.tuples(st.sampled_from("arc"), st.binary(min_size=1, max_size=40), st.integers(0, 40)),
    max_size=30,
)


@given(BLOCKS, st.data())
def test_log_holds_what_was_appended_since_its_start(
    blocks: list[tuple[str, bytes, int]], data: st.DataObject
) -> None:
    log = ByteLog()
    everything = b""
    start: int | None = None
    for what, block, offset in blocks:
        match what:
            case "a":
                log.append(block)
                everything += block
            case "r":
                offset = min(offset, len(block))
                log.restart(block, offset)
                start = len(everything) + offset
                everything += block
            case _:
                log.clear()
                start = None
        assert (log.start, log.end) == (start, len(everything))
        if start is not None and start < len(everything):
            position = data.draw(st.integers(start, len(everything) - 1))
            assert read_all(log, position) == everything[position:]

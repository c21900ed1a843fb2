"""Tests of headend.codec.signal_picture."""

import pytest

from headend.codec.signal_picture import SignalPicture

WIDTH, HEIGHT = 1280, 720
picture = SignalPicture()


def rows(clock: str, frame: int = 0) -> list[bytes]:
    plane = picture.luma(clock, frame)
    return [plane[start : start + WIDTH] for start in range(0, len(plane), WIDTH)]


def cell(clock: str, index: int) -> list[str]:
    """Cut a character of the clock out of the picture, every 16th pixel of it."""
    left = (WIDTH - 12 * 80) // 2 + index * 80
    lines = [row[left : left + 80] for row in rows(clock)[448:576]]
    return ["".join("#" if x > 128 else " " for x in line[6:64:14]) for line in lines[6::29]]


def test_planes_have_the_size_of_the_picture() -> None:
    assert len(picture.luma("00:00:00.000", 0)) == WIDTH * HEIGHT
    assert [len(plane) for plane in picture.chroma()] == [WIDTH * HEIGHT // 4] * 2


def test_first_bar_is_white_and_the_last_is_blue() -> None:
    u, v = picture.chroma()
    assert (rows("00:00:00.000")[0][0], u[0], v[0]) == (180, 128, 128)
    assert (rows("00:00:00.000")[0][-1], u[WIDTH // 2 - 1], v[WIDTH // 2 - 1]) == (28, 212, 120)


def test_below_the_bars_there_is_no_colour() -> None:
    for plane in picture.chroma():
        assert set(plane[WIDTH // 2 * 208 :]) == {128}


@pytest.mark.parametrize(
    ("digit", "lines"),
    [
        ("0", ["#####", "#   #", "#   #", "#   #", "#####"]),
        ("1", ["    #", "    #", "    #", "    #", "    #"]),
        ("2", ["#####", "    #", "#####", "#    ", "#####"]),
        ("4", ["#   #", "#   #", "#####", "    #", "    #"]),
        ("8", ["#####", "#   #", "#####", "#   #", "#####"]),
    ],
)
def test_clock_shows(digit: str, lines: list[str]) -> None:
    assert cell(f"00:0{digit}:00.000", 4) == lines


def test_all_digits_differ() -> None:
    assert len({tuple(cell(f"00:00:0{digit}.000", 7)) for digit in range(10)}) == 10


def test_box_moves_there_and_back() -> None:
    ways = [rows("00:00:00.000", frame)[650].index(235) for frame in (0, 1, 151, 152, 153, 304)]
    assert ways == [0, 8, 1208, 1216, 1208, 0]


@pytest.mark.parametrize(("width", "height"), [(160, 96), (130, 98), (1920, 1080), (16, 16)])
def test_picture_of_another_size_has_whole_planes(width: int, height: int) -> None:
    small = SignalPicture(width, height)
    assert len(small.luma("12:34:56.789", 7)) == width * height
    assert [len(plane) for plane in small.chroma()] == [width // 2 * (height // 2)] * 2


def test_clock_is_there_in_a_small_picture_too() -> None:
    small = SignalPicture(160, 96)
    assert small.luma("00:00:00.000", 0) != small.luma("00:00:00.001", 0)

"""The picture of the test signal: colour bars, a clock, and a box that moves.

+----------------------+
| colour bars          |   planes Y, U and V of 8 bits, 4:2:0
+----------------------+
|     12:34:56.789     |   below the bars only Y changes
|  []                  |
+----------------------+
"""

from collections.abc import Iterable
from typing import Final

# Measures are of this size, and scaled to others.
WIDTH: Final = 1280
HEIGHT: Final = 720
BARS_HEIGHT: Final = 416

# Y, U, V of white, yellow, cyan, green, magenta, red and blue at 75 % (BT.709, as of SMPTE RP 219).
BARS: Final = (
    (180, 128, 128),
    (168, 44, 136),
    (145, 147, 44),
    (133, 63, 52),
    (63, 193, 204),
    (51, 109, 212),
    (28, 212, 120),
)
BLACK: Final = 24
WHITE: Final = 235
NEUTRAL: Final = 128  # of U and V

CELL_WIDTH: Final = 80  # of a character of the clock, the space behind it included
CELL_HEIGHT: Final = 128
STROKE: Final = 12
CLOCK_Y: Final = 448
BOX: Final = 64
BOX_Y: Final = 624
BOX_STEP: Final = 8  # pixels a frame

# Segments that are lit, named as usual: a on top, then clockwise to f, g in the middle.
SEGMENTS: Final = {
    "0": "abcdef",
    "1": "bc",
    "2": "abged",
    "3": "abgcd",
    "4": "fgbc",
    "5": "afgcd",
    "6": "afgedc",
    "7": "abc",
    "8": "abcdefg",
    "9": "abcdfg",
}
_RIGHT: Final = CELL_WIDTH - 16
_MIDDLE: Final = (CELL_HEIGHT - STROKE) // 2
# left, top, right, bottom
_RECTANGLES: Final = {
    "a": (0, 0, _RIGHT, STROKE),
    "b": (_RIGHT - STROKE, 0, _RIGHT, CELL_HEIGHT // 2),
    "c": (_RIGHT - STROKE, CELL_HEIGHT // 2, _RIGHT, CELL_HEIGHT),
    "d": (0, CELL_HEIGHT - STROKE, _RIGHT, CELL_HEIGHT),
    "e": (0, CELL_HEIGHT // 2, STROKE, CELL_HEIGHT),
    "f": (0, 0, STROKE, CELL_HEIGHT // 2),
    "g": (0, _MIDDLE, _RIGHT, _MIDDLE + STROKE),
    "upper dot": (26, 40, 26 + STROKE, 40 + STROKE),
    "lower dot": (26, 80, 26 + STROKE, 80 + STROKE),
    "full stop": (26, CELL_HEIGHT - STROKE, 26 + STROKE, CELL_HEIGHT),
}


class SignalPicture:
    """The picture in one size.

    Attributes:
        width: Pixels, even.
        height: Pixels, even.
        box: Side of the box, pixels.
        box_y: Top of the box, pixels.
    """

    def __init__(self, width: int = WIDTH, height: int = HEIGHT) -> None:
        """Draw what is the same for all frames."""
        self.width: Final = width
        self.height: Final = height
        self.box: Final = BOX * width // WIDTH
        self.box_y: Final = BOX_Y * height // HEIGHT
        self._box_height = BOX * height // HEIGHT
        self._bars_height = BARS_HEIGHT * height // HEIGHT & ~1  # colour has half the rows
        self._clock_y = CLOCK_Y * height // HEIGHT
        cell = CELL_WIDTH * width // WIDTH, CELL_HEIGHT * height // HEIGHT
        self._cell_width, self._cell_height = cell
        self._glyphs = {
            **{digit: _glyph(segments, *cell) for digit, segments in SEGMENTS.items()},
            ":": _glyph(("upper dot", "lower dot"), *cell),
            ".": _glyph(("full stop",), *cell),
        }
        below = bytes((BLACK,)) * (width * (height - self._bars_height))
        self._luma = _bars((bar[0] for bar in BARS), width) * self._bars_height + below

    def luma(self, clock: str, frame: int) -> bytes:
        """Draw the Y plane of a frame.

        Args:
            clock: `HH:MM:SS.mmm`.
            frame: Number of the frame; moves the box.
        """
        width = self.width
        plane = bytearray(self._luma)
        left = (width - len(clock) * self._cell_width) // 2
        for row in range(self._cell_height):
            start = (self._clock_y + row) * width + left
            pixels = b"".join([self._glyphs[char][row] for char in clock])
            plane[start : start + len(pixels)] = pixels
        way = width - self.box
        step = max(1, BOX_STEP * width // WIDTH)
        x = abs((frame * step + way) % (2 * way) - way)  # there and back
        white = bytes((WHITE,)) * self.box
        for row in range(self.box_y, self.box_y + self._box_height):
            plane[row * width + x : row * width + x + self.box] = white
        return bytes(plane)

    def chroma(self) -> tuple[bytes, bytes]:
        """Draw the U and V planes, which are the same for all frames."""
        width, rows = self.width // 2, self._bars_height // 2
        neutral = bytes((NEUTRAL,)) * (width * (self.height // 2 - rows))
        u, v = (_bars((bar[i] for bar in BARS), width) * rows + neutral for i in (1, 2))
        return u, v


def _bars(values: Iterable[int], width: int) -> bytes:
    """One row of a plane with all bars."""
    values = list(values)
    return bytes(values[x * len(values) // width] for x in range(width))


def _glyph(segments: Iterable[str], width: int, height: int) -> list[bytes]:
    """Rows of a character, scaled to a size."""
    rows = [bytearray((BLACK,)) * CELL_WIDTH for _ in range(CELL_HEIGHT)]
    for segment in segments:
        left, top, right, bottom = _RECTANGLES[segment]
        for row in rows[top:bottom]:
            row[left:right] = bytes((WHITE,)) * (right - left)
    columns = [x * CELL_WIDTH // width for x in range(width)]
    return [bytes(rows[y * CELL_HEIGHT // height][x] for x in columns) for y in range(height)]

"""Tests of headend.thumbnails.worker, in this process and in one of its own."""

import io
import random
import resource
import subprocess
import sys
from collections.abc import Iterator
from fractions import Fraction

import pytest
from tests.media.bitstring import bits
from tests.pictures import ENCODERS, RED, decode_jpeg, is_red, picture

from headend.codec.jpeg import thumbnail
from headend.codec.still import Still
from headend.thumbnails.worker import ANSWER, OK, READY, REQUEST, serve


@pytest.fixture(autouse=True)
def _limits() -> Iterator[None]:
    """Undo the limit of time that the worker puts on its process: here it is that of all tests."""
    before = resource.getrlimit(resource.RLIMIT_CPU)
    yield
    resource.setrlimit(resource.RLIMIT_CPU, before)


def request(still: Still, width: int = 320) -> bytes:
    sizes = (width, len(still.record), len(still.picture))
    return REQUEST.pack(still.codec.encode(), *sizes) + still.record + still.picture


def answers(data: bytes) -> list[tuple[int, bytes]]:
    found = []
    while data:
        kind, size = ANSWER.unpack_from(data)
        found.append((kind, data[ANSWER.size : ANSWER.size + size]))
        data = data[ANSWER.size + size :]
    return found


def made(still: Still, width: int = 320) -> bytes:
    return thumbnail(str(still.codec), still.record, still.picture, width)


@pytest.mark.parametrize("codec", ENCODERS)
def test_keyframe_of_every_codec_becomes_a_small_picture(codec: str) -> None:
    jpeg = made(picture(codec))
    assert decode_jpeg(jpeg)[0] == (320, 176)
    assert is_red(jpeg)


@pytest.mark.parametrize(
    ("size", "pixel", "width", "expected"),
    [
        ((640, 352), Fraction(1), 1280, (640, 352)),
        ((320, 240), Fraction(4, 3), 1280, (427, 240)),
        ((720, 576), Fraction(64, 45), 640, (640, 360)),
        ((64, 1024), Fraction(1), 160, (20, 320)),
    ],
    ids=["never larger", "wide pixels", "wide pixels, made smaller", "tall"],
)
def test_picture_fits_and_has_square_pixels(
    size: tuple[int, int], pixel: Fraction, width: int, expected: tuple[int, int]
) -> None:
    assert decode_jpeg(made(picture("h264", size, RED, pixel), width))[0] == expected


def test_requests_are_answered_one_by_one_and_what_cannot_be_decoded_in_words() -> None:
    good = picture()
    garbage = good._replace(record=b"", picture=random.Random(1).randbytes(1000))
    unknown = REQUEST.pack(b"vvc", 320, 0, 1) + b"x"
    output = io.BytesIO()
    serve(io.BytesIO(request(good) + request(garbage) + unknown + request(good)), output)
    first, second, third, fourth = answers(output.getvalue())
    assert first[0] == fourth[0] == OK
    assert first[1] == fourth[1]
    assert second[0] != OK
    assert second[1]
    assert third[1] == b"there is no decoder of vvc"


@pytest.mark.parametrize("codec", ENCODERS)
def test_damaged_pictures_are_shown_or_refused_and_nothing_else(codec: str) -> None:
    good, dice = picture(codec), random.Random(codec)
    stream = b""
    for _ in range(40):
        damaged = bytearray(good.picture)
        for _ in range(dice.randrange(1, 8)):
            damaged[dice.randrange(len(damaged))] = dice.randrange(256)
        stream += request(good._replace(picture=bytes(damaged[: dice.randrange(1, len(damaged))])))
    command = (sys.executable, "-m", "headend.thumbnails.worker")
    done = subprocess.run(
        command, input=stream + request(good), capture_output=True, timeout=60, check=True
    )
    assert done.stdout.startswith(READY)
    found = answers(done.stdout[len(READY) :])
    assert len(found) == 41
    assert found[-1][0] == OK


def test_picture_that_claims_to_be_huge_is_refused() -> None:
    good = picture()
    # Baseline, level 6.2, 1024 × 1024 macroblocks: 400 MB for each picture that a decoder holds.
    sps = bits("01100111 01000010 00000000 00111110 1 1 1 1 010 0"
               " 0000000000 10000000000 0000000000 10000000000 1 1 0 0 1")  # fmt: skip
    record = b"\x01\x42\x00\x3e\xff\xe1" + len(sps).to_bytes(2, "big") + sps
    rest = good.record[8 + int.from_bytes(good.record[6:8], "big") :]
    huge = good._replace(record=record + rest)
    with pytest.raises(ValueError, match=r"\w"):
        made(huge)

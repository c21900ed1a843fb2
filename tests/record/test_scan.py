"""Tests of headend.record.scan with files that are damaged."""

import random
from pathlib import Path

import pytest
from tests.hls.media import stream
from tests.record.taped import Taped

from headend.record import journal
from headend.record.scan import segments_of


@pytest.mark.parametrize("seed", range(40))
async def test_any_bytes_give_whole_segments_and_no_error(tmp_path: Path, seed: int) -> None:
    out = Taped(tmp_path)
    out.push(stream(5000))
    await out.end()
    (unfinished,) = journal.read_all(tmp_path)
    (noted,) = unfinished.files
    path = tmp_path / noted.file.path
    data, choose = bytearray(path.read_bytes()), random.Random(seed)
    for _ in range(choose.randrange(1, 20)):
        at = choose.randrange(len(data))
        data[at : at + choose.randrange(8)] = choose.randbytes(choose.randrange(8))
    path.write_bytes(data)
    end = noted.file.init_size
    for row in segments_of(tmp_path, noted, 2.0):
        assert row.offset == end
        assert row.duration_s >= 0
        end += row.size
    assert path.stat().st_size <= max(end, noted.file.init_size)


async def test_file_whose_head_is_no_mp4_has_no_segments(tmp_path: Path) -> None:
    out = Taped(tmp_path)
    out.push(stream(3000))
    await out.end()
    (unfinished,) = journal.read_all(tmp_path)
    (noted,) = unfinished.files
    path = tmp_path / noted.file.path
    path.write_bytes(bytes(path.stat().st_size))
    assert segments_of(tmp_path, noted, 2.0) == []
    path.write_bytes(b"")
    assert segments_of(tmp_path, noted, 2.0) == []

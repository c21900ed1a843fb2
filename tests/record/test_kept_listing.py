"""Tests of headend.record.kept_listing, and of how it is used by known."""

import gzip
from dataclasses import replace
from pathlib import Path

import pytest
from tests.harness import until_so
from tests.record.made import begun, file, recording, segment, tables
from tests.record.served import serve

from headend.record import known as known_module
from headend.record.kept_listing import kept, restored
from headend.record.playlist import PlacedListing, SegmentList, playlist

FILES = {number: file(number) for number in range(3)}
INDEX = "/recordings/r1/index.m3u8"


def listing() -> SegmentList:
    made = SegmentList()
    apart = segment(1, 2)._replace(start_s=300.0, duration_s=3.5)
    made.add(FILES, [segment(0), segment(1), segment(0, 1), segment(0, 2), apart])
    return made


@pytest.mark.parametrize(("place", "query"), [("", ""), ("../recordings/r1/", "?token=t.mp4")])
def test_kept_listing_is_the_same_again(place: str, query: str) -> None:
    made = listing()
    again = restored(kept(made))
    assert again.text(place, query) == made.text(place, query)
    assert again.text(place, query) == made.text(place, query)  # and twice
    assert (again.target_s, again.duration_s, again.size, again.count) == (4, 11.5, made.size, 5)
    assert (again.last, again.starts) == (made.last, made.starts)
    assert [tuple(each) for each in again.jumps] == made.jumps != []


def test_kept_listing_is_the_playlist_as_it_is_sent() -> None:
    text = playlist([PlacedListing(listing(), "")], "", is_over=True)
    assert gzip.decompress(kept(listing()).packed).decode() == text


async def test_listing_is_kept_of_what_is_over_and_has_all_of_its_rows(database_url: str) -> None:
    row = kept(listing())
    async with tables(database_url) as (found,):
        segments = [("r1", segment(0)), ("r1", segment(1))]
        await found.write({begun(): False}, [file()], segments, [])
        await found.keep_listing("r1", row, 2)
        assert await found.listing("r1") is None  # it runs
        await found.write({recording(): True}, [], [], [])
        await found.keep_listing("r1", row, 2)
        assert await found.listing("r1") is None  # rows are missing
        await found.write({recording(): False}, [], [], [])
        await found.keep_listing("r1", row, 1)
        assert await found.listing("r1") is None  # it has changed meanwhile
        await found.keep_listing("r1", row, 2)
        await found.keep_listing("r1", row, 2)
        assert await found.listing("r1") == row
        await found.mend(recording(), [file()], [segment(0)], 0)
        assert await found.listing("r1") is None
        await found.keep_listing("r1", row, 1)
        await found.delete("r1")
        assert await found.listing("r1") is None


async def test_long_playlist_is_kept_and_the_next_start_sends_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(known_module, "MIN_SEGMENTS", 10)
    async with serve(tmp_path) as web:
        await web.add(recording(), files=2)
        plain = await web.text(INDEX)

        async def is_kept() -> bool:
            return await web.kept.listing("r1") is not None

        await until_so(is_kept)
    async with serve(tmp_path) as web:
        monkeypatch.setattr(type(web.kept), "segments", None)  # they are not read again
        assert await web.text(INDEX) == plain
        assert await web.text(INDEX + "?token=t") == plain.replace(".mp4", ".mp4?token=t")
        web.client._auto_decompress = False
        _, body, _ = await web.get(INDEX, {"Accept-Encoding": "gzip"})
        assert gzip.decompress(body).decode() == plain


async def test_long_recording_is_listed_once_it_is_ready(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(known_module, "MIN_SEGMENTS", 5)
    async with serve(tmp_path) as web:
        ready = recording(duration_s=2000.0)
        await web.add(ready)
        await web.add(replace(ready, id="r2", duration_s=10.0))
        for id in ("r2", "r1", "gone"):
            made = replace(ready, id=id, duration_s=10.0 if id == "r2" else 2000.0)
            web.recordings.index._tell_ready(made)

        async def is_kept() -> bool:
            return await web.kept.listing("r1") is not None

        await until_so(is_kept)
        assert await web.kept.listing("r2") is None

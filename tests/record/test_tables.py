"""Tests of headend.record.tables, on SQLite and PostgreSQL."""

import pytest
from tests.record.made import begun, file, recording, segment, tables

from headend.record.tables import PageEnd, RecordingFilter, RecordingTables
from headend.record.values import RecordedPublisher, Recording


async def put(kept: RecordingTables, *recordings: Recording) -> None:
    await kept.write(dict.fromkeys(recordings, False), [], [], [])


async def ids(kept: RecordingTables, **wanted: object) -> str:
    by = RecordingFilter(**wanted)  # type: ignore[arg-type]
    return " ".join(each.id for each in await kept.page(by, limit=100))


async def test_recording_its_files_and_segments_are_found_as_they_were_written(
    database_url: str,
) -> None:
    async with tables(database_url) as (kept,):
        whole, files = recording(bytes=17_000), [file(0), file(1)]
        segments = [segment(0), segment(1), segment(0, file=1)]
        await kept.write({whole: False}, files, [("r1", each) for each in segments], [])
        assert await kept.get("r1") == whole
        assert await kept.files("r1") == files
        assert await kept.segments("r1") == segments
        assert await kept.segments("r1", after=(0, 1000)) == segments[1:]
        assert await kept.segments("r1", after=(0, 6000)) == segments[2:]
        assert await kept.segments("r1", after=(1, 1000)) == []
        assert await kept.segments("r1", between=(101.0, 102.0)) == segments[:1]
        assert await kept.segments("r1", between=(102.0, 102.5)) == segments[1:2]
        assert await kept.segments("r1", between=(103.5, 200.5)) == segments[1:]
        assert await kept.get("r2") is None


async def test_segments_are_given_some_at_once_and_the_last_one_until_a_time(
    database_url: str,
) -> None:
    async with tables(database_url) as (kept,):
        middle = segment(1)._replace(is_keyframe=False)
        segments = [segment(0), middle, segment(2), segment(0, file=1)]
        await kept.write({recording(): False}, [], [("r1", each) for each in segments], [])
        assert await kept.segments("r1", limit=2) == segments[:2]
        assert await kept.segments("r1", after=(0, 6000), limit=1) == segments[2:3]
        assert await kept.last_segment("r1") == segments[3]
        assert await kept.last_segment("r1", 1e9) == segments[3]
        assert await kept.last_segment("r1", 99.9) == segments[2]
        assert await kept.last_segment("r1", 3.0) == segments[0]  # the second has no keyframe
        assert await kept.last_segment("r1", -1.0) is None
        assert await kept.last_segment("r2") is None


async def test_what_is_written_twice_is_there_once_and_a_recording_as_it_was_last(
    database_url: str,
) -> None:
    async with tables(database_url) as (kept,):
        for each in (begun(), recording(bytes=10**12)):
            publisher = RecordedPublisher("r1", "s1", "203.0.113.7", "pk_1")
            await kept.write({each: False}, [file()], [("r1", segment(0))], [publisher])
        assert await kept.get("r1") == recording(bytes=10**12)
        assert await kept.files("r1") == [file()]
        assert await kept.segments("r1") == [segment(0)]


async def test_list_is_newest_first_and_told_by_stream_and_time(database_url: str) -> None:
    async with tables(database_url) as (kept,):
        await put(
            kept,
            recording("r1"),
            recording("r2", started=200.0, ended=300.0, stream="live/b"),
            begun("r3", started=250.0, stream="vip/a_b"),
            recording("r4", started=250.0, ended=251.0, stream="vip/axb"),
        )
        assert await ids(kept) == "r4 r3 r2 r1"
        assert await ids(kept, stream="live/a") == "r1"
        assert await ids(kept, stream="live/*") == "r2 r1"
        assert await ids(kept, name="live/*") == ""
        assert await ids(kept, name="live/b") == "r2"
        assert await ids(kept, stream="vip/a_*") == "r3"
        assert await ids(kept, stream="*/a") == "r1"
        assert await ids(kept, stream="live/[!a]") == "r2"
        assert await ids(kept, stream="LIVE/*") == ""
        assert await ids(kept, stream="live/%") == ""
        assert await ids(kept, stream="vip/a?b") == "r4 r3"
        assert await ids(kept, since=160.0) == "r4 r3 r2"
        assert await ids(kept, since=1000.0) == "r3"
        assert await ids(kept, until=250.0) == "r2 r1"
        assert await ids(kept, since=150.0, until=210.0, stream="live/*") == "r2 r1"


@pytest.mark.parametrize("pattern", [None, "live/*", "live/[a-z]", "live/a"])
async def test_pages_follow_each_other_from_the_newest_on(
    database_url: str, pattern: str | None
) -> None:
    async with tables(database_url) as (kept,):
        streams = ("live/a", "live/A") if pattern == "live/[a-z]" else ("live/a",)
        made = [
            recording(f"{number}{stream[-1]}", started=float(number // 2), stream=stream)
            for number in range(6)
            for stream in streams
        ]
        await put(kept, *made)
        seen: list[str] = []
        before = None
        wanted = RecordingFilter(stream=pattern)
        while page := await kept.page(wanted, limit=2, before=before):
            assert len(page) == 2
            seen += [each.id for each in page]
            before = PageEnd(page[-1].started, page[-1].id)
        assert seen == ["5a", "4a", "3a", "2a", "1a", "0a"]


async def test_servers_that_share_a_database_have_their_own_recordings(database_url: str) -> None:
    async with tables(database_url, "here", "there") as (here, there):
        await put(here, recording("r1", bytes=5))
        await put(there, recording("r2", bytes=7), begun("r3"))
        assert await ids(here) == "r1"
        assert await ids(there) == "r3 r2"
        assert await here.get("r2") is None
        assert await here.unfinished() == []
        assert (await here.total_bytes(), await there.total_bytes()) == (5, 7)


async def test_recording_is_mended_if_it_has_not_ended_or_has_rows_missing(
    database_url: str,
) -> None:
    async with tables(database_url) as (kept,):
        torn = recording("r2", started=50.0)
        await kept.write({recording(): False, torn: True, begun("r3"): False}, [], [], [])
        await kept.write({}, [file(7, "r2")], [("r2", segment(9))], [])
        assert [each.id for each in await kept.unfinished()] == ["r2", "r3"]
        segments = [segment(number) for number in range(4500)]
        await kept.mend(torn, [file(0, "r2")], segments, 9)
        await kept.mend(recording("r3"), [], [], 9)
        assert await kept.unfinished() == []
        assert await kept.files("r2") == [file(0, "r2")]
        assert await kept.segments("r2") == segments


async def test_oldest_that_are_over_come_first_for_what_deletes_them(database_url: str) -> None:
    async with tables(database_url) as (kept,):
        made = [recording(f"r{n}", started=float(n // 2)) for n in range(4)]
        await put(kept, begun("r9", started=0.0), *made)
        first = await kept.oldest(limit=3)
        assert [each.id for each in first] == ["r0", "r1", "r2"]
        place = PageEnd(first[-1].started, first[-1].id)
        assert [each.id for each in await kept.oldest(limit=3, after=place)] == ["r3"]


async def test_deletion_takes_all_rows_of_one_recording(database_url: str) -> None:
    async with tables(database_url) as (kept,):
        for id in ("r1", "r2"):
            publisher = RecordedPublisher(id, "s1", None, None)
            await kept.write({recording(id): False}, [file(0, id)], [(id, segment(0))], [publisher])
        await kept.delete("r1")
        assert await ids(kept) == "r2"
        assert await kept.files("r1") == []
        assert await kept.segments("r1") == []
        assert await kept.segments("r2") == [segment(0)]
        assert await kept.total_bytes() == 0

"""Tests of headend.record.played, headend.record.stored_file and headend.live.stored_play."""

import asyncio
import random
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from tests.harness import C0_C1, C2, FRAME, KEYFRAME, VIDEO_HEADER, Live, Peer, live_server, until
from tests.record.made import Elsewhere, begun, file, recording
from tests.rtmp.peers import command, message

from headend.access.tokens import Token
from headend.errors import DatabaseError, MediaError
from headend.live import stored_play
from headend.media.codecs import audio_tag, video_tag
from headend.media.flv import serialize_header, serialize_tag
from headend.media.tag import Tag
from headend.record import played as played_module
from headend.record.file_bytes import LocalBytes
from headend.record.played import PlayedRecordings
from headend.record.recordings import Recordings
from headend.record.stored_file import open_stored
from headend.record.tables import RecordingTables
from headend.record.values import RecordedSegment, Recording

STEP_MS = 100
SECONDS = 20  # of a file; a keyframe and a segment each
FIRST_MS = 5000  # by the clock of the publisher
HEADS = 1  # bodies before the first frame
FLV_HEAD = serialize_header(has_audio=True, has_video=True) + serialize_tag(
    video_tag(0, VIDEO_HEADER)
)


def frame(number: int) -> Tag:
    """Return a frame of a recording, by its number."""
    kind = KEYFRAME if number % 10 == 0 else FRAME
    return video_tag(FIRST_MS + STEP_MS * number, kind + number.to_bytes(4, "big") + bytes(400))


class Kept:
    """A server that has recordings, as FLV of made-up frames."""

    def __init__(self, live: Live, tables: RecordingTables) -> None:
        self.live = live
        self.tables = tables
        self.recordings = live.services.features[Recordings]

    async def add(self, recording: Recording, *, files: int = 1, gap_s: float = 0.0) -> None:
        """Add a recording with a segment for each second of its files."""
        for number in range(files):
            frames = [frame(n) for n in range(10 * SECONDS * number, 10 * SECONDS * (number + 1))]
            await self.add_file(recording, number, frames, number * (SECONDS + gap_s))

    async def add_file(
        self, recording: Recording, number: int, frames: Sequence[Tag], start_s: float
    ) -> None:
        row = replace(file(number, recording.id), init_size=len(FLV_HEAD))
        row = replace(row, path=row.path.replace(".mp4", ".flv"))
        path = self.recordings.places.path_of(row)
        path.parent.mkdir(parents=True, exist_ok=True)
        data = bytearray(FLV_HEAD)
        segments = []
        for first in range(0, len(frames), 10):
            body = b"".join(map(serialize_tag, frames[first : first + 10]))
            start = start_s + first / 10
            segments.append(
                RecordedSegment(number, len(data), len(body), start, 1.0, 100.0 + start, True)
            )
            data += body
        path.write_bytes(data)
        await self.tables.write(
            {recording: False}, [row], [(recording.id, s) for s in segments], []
        )

    async def player(
        self, name: str, *arguments: float, buffer_ms: int = 0, app: str = "recordings"
    ) -> Peer:
        """Play; the arguments are start and length."""
        peer = await self.live.peer()
        await peer.send(C0_C1 + C2 + command("connect", 1, {"app": app}))
        await peer.send(command("createStream", 2, None))
        await peer.expect("_result 2 None 1.0")
        if buffer_ms:
            await peer.send(buffer(buffer_ms))
        await peer.send(command("play", 3, None, name, *arguments, on=1))
        return peer


def buffer(length_ms: int) -> bytes:
    """A player says how much it holds."""
    body = b"\x00\x03" + (1).to_bytes(4, "big") + length_ms.to_bytes(4, "big")
    return message(2, 4, 0, body)


ALL_MS = 3_600_000  # a buffer that takes everything at once


class Running:
    def __init__(self, data: Path, *settings: str) -> None:
        self._server = live_server(data, 'record.match=["other/*"]', *settings)

    async def __aenter__(self) -> Kept:
        live = await self._server.__aenter__()
        tables = await live.services.features[Recordings].index.opened()
        return Kept(live, tables)

    async def __aexit__(self, *raised: object) -> None:
        await self._server.__aexit__(None, None, None)


def token(kept: Kept) -> str:
    """Return a token with which `live/*` may be played."""
    now = time.time()
    return kept.live.services.access.tokens.sign(Token("", "live/*", "play", now + 60), now)


def numbers(peer: Peer) -> list[int]:
    """Return the numbers of the frames that came."""
    return [int.from_bytes(body[6:10], "big") for body in peer.media if body != VIDEO_HEADER]


async def test_whole_recording_comes_with_metadata_header_times_and_its_end(
    tmp_path: Path,
) -> None:
    async with Running(tmp_path) as kept:
        await kept.add(recording())
        peer = await kept.player("r1", buffer_ms=ALL_MS)
        await peer.expect("NetStream.Play.Stop")
        assert peer.media == [VIDEO_HEADER, *(frame(n).body for n in range(200))]
        assert peer.times == [0, *range(0, 20_000, 100)]
        assert b"\x02\x00\x0aonMetaData\x08" in peer.heard  # an ECMA array, or FFmpeg ignores it
        assert b"\x00\x08duration\x00\x40\x34\x00\x00\x00\x00\x00\x00" in peer.heard  # 20.0
        assert peer.heard.index(b"NetStream.Play.Complete") > peer.heard.index(b"onMetaData")
        assert "type 4 000100000001" in peer.said  # StreamEOF
        assert peer.said.index("type 4 000400000001") < 6  # StreamIsRecorded


async def test_files_and_a_gap_are_one_timeline_and_nobody_waits_for_who_was_away(
    tmp_path: Path,
) -> None:
    async with Running(tmp_path) as kept:
        await kept.add(recording(), files=2, gap_s=3600)
        peer = await kept.player("r1", buffer_ms=45_000)
        await peer.expect("NetStream.Play.Stop")
        assert numbers(peer) == list(range(400))
        assert peer.times[-1] == 1000 * (3600 + 20) + 19_900
        assert peer.times == sorted(peer.times)
        assert peer.media.count(VIDEO_HEADER) == 1  # it is the same in both


async def test_first_buffer_comes_at_once_and_the_rest_in_real_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with Running(tmp_path) as kept:
        await kept.add(recording())
        loop, now = kept.live.services.loop, 0.0
        real = loop.time
        monkeypatch.setattr(loop, "time", lambda: real() + now)
        peer = await kept.player("r1", buffer_ms=2000)
        await peer.expect_media(HEADS + 21)
        assert len(numbers(peer)) < 120
        await peer.send(buffer(ALL_MS))
        await peer.expect("NetStream.Play.Stop")
        assert numbers(peer) == list(range(200))


async def test_start_is_at_the_keyframe_before_and_time_begins_there(tmp_path: Path) -> None:
    async with Running(tmp_path) as kept:
        await kept.add(recording())
        for start, first in ((7000, 70), (7650, 70), (6999, 60), (10**9, 190)):
            peer = await kept.player("r1", start, buffer_ms=ALL_MS)
            await peer.expect("NetStream.Play.Stop")
            assert numbers(peer) == list(range(first, 200)), start
            assert peer.times[:3] == [0, 0, 100]


async def test_length_ends_the_play_after_so_long(tmp_path: Path) -> None:
    async with Running(tmp_path) as kept:
        await kept.add(recording())
        peer = await kept.player("r1", 7000, 1500, buffer_ms=ALL_MS)
        await peer.expect("NetStream.Play.Stop")
        assert numbers(peer) == list(range(70, 86))


async def test_seek_goes_on_at_the_keyframe_before_with_the_header_again(tmp_path: Path) -> None:
    async with Running(tmp_path) as kept:
        await kept.add(recording())
        peer = await kept.player("r1")
        await peer.expect_media(HEADS + 5)
        await peer.send(command("seek", 0, None, 15_550, on=1))
        await peer.expect("NetStream.Seek.Notify")
        before = len(peer.media)
        while 15_000 not in peer.times:
            await peer.receive()
        at = peer.times.index(15_000)
        assert at >= before - 40
        await peer.expect_media(at + 2)
        assert peer.media[at : at + 2] == [VIDEO_HEADER, frame(150).body]
        await peer.send(command("seek", 0, None, 0, on=1))  # and back
        await peer.expect_media(len(peer.media) + 1)
        while peer.media.count(VIDEO_HEADER) < 3:
            await peer.receive()
        last = len(peer.media) - 1 - peer.media[::-1].index(VIDEO_HEADER)
        await peer.expect_media(last + 2)
        assert peer.media[last + 1] == frame(0).body


async def test_player_may_seek_back_after_the_end(tmp_path: Path) -> None:
    async with Running(tmp_path) as kept:
        await kept.add(recording())
        peer = await kept.player("r1", 18_000, buffer_ms=ALL_MS)
        await peer.expect("NetStream.Play.Stop")
        peer.media.clear()
        peer.said.clear()
        await peer.send(command("seek", 0, None, 19_000, on=1))
        await peer.expect("NetStream.Play.Stop")
        assert numbers(peer) == list(range(190, 200))


async def test_player_that_stays_after_the_end_is_let_go(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stored_play, "STAY_S", -3600.0)
    async with Running(tmp_path) as kept:
        await kept.add(recording())
        peer = await kept.player("r1", buffer_ms=ALL_MS)
        await peer.expect_close()
        assert numbers(peer) == list(range(200))


async def test_pause_sends_nothing_and_goes_on_where_it_was(tmp_path: Path) -> None:
    async with Running(tmp_path) as kept:
        await kept.add(recording())
        peer = await kept.player("r1")
        await peer.expect_media(HEADS + 5)
        await peer.send(command("pause", 0, None, True, 500, on=1))
        await peer.expect("NetStream.Pause.Notify")
        (session,) = kept.live.services.sessions.connections
        assert list(session.watching) == []
        assert list(session.playing) == ["recordings/r1"]
        count = len(peer.media)
        await peer.send(buffer(ALL_MS) + command("createStream", 9, None))
        await peer.expect("_result 9")
        assert len(peer.media) == count
        await peer.send(command("pause", 0, None, False, 500, on=1))
        await peer.expect("NetStream.Play.Stop")
        assert numbers(peer) == list(range(200))


async def test_medium_that_is_switched_off_does_not_come(tmp_path: Path) -> None:
    async with Running(tmp_path) as kept:
        frames = [frame(n) for n in range(200)]
        mixed = [
            tag for f in frames for tag in (f, audio_tag(f.timestamp, b"\xaf\x01" + f.body[6:10]))
        ]
        await kept.add_file(recording(), 0, mixed, 0.0)
        peer = await kept.player("r1")
        await peer.expect_media(HEADS + 5)
        await peer.send(command("receiveAudio", 0, None, False, on=1) + buffer(ALL_MS))
        await peer.expect("NetStream.Play.Stop")
        sounds = [body for body in peer.media if body[0] == 0xAF]
        assert 0 < len(sounds) < 150
        assert sum(body[0] != 0xAF for body in peer.media) == 201


async def test_recording_that_runs_is_played_on_as_it_grows_to_its_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(played_module, "GROWS_S", 0.01)
    monkeypatch.setattr("headend.record.known.FRESH_S", -1.0)
    async with Running(tmp_path) as kept:
        await kept.add(begun())
        peer = await kept.player("r1", buffer_ms=ALL_MS)
        await peer.expect_media(HEADS + 200)
        assert b"duration" not in peer.heard
        await kept.add_file(begun(), 1, [frame(n) for n in range(200, 250)], 20.0)
        await peer.expect_media(HEADS + 250)
        await kept.tables.write({recording(): False}, [], [], [])
        await peer.expect("NetStream.Play.Stop")
        assert numbers(peer) == list(range(250))


async def test_start_of_a_live_name_plays_its_newest_recording_and_none_plays_what_is_live(
    tmp_path: Path,
) -> None:
    async with Running(tmp_path) as kept:
        await kept.add(recording("old", started=10.0))
        await kept.add(recording("new", started=20.0), files=2)
        publisher = await kept.live.publisher("a")
        await publisher.send_video(VIDEO_HEADER)
        await publisher.send_video(KEYFRAME + b"live")
        await kept.live.received("live/a", 2)
        newest = await kept.player("a", 0, buffer_ms=ALL_MS, app="live")
        await newest.expect("NetStream.Play.Stop")
        assert numbers(newest) == list(range(400))
        for start in (-2, -1, -1000, -2000):
            live = await kept.player("a", start, app="live")
            assert (await live.expect_media(2))[1] == KEYFRAME + b"live"
        none = await kept.player("never", 0, app="live")
        await none.expect("NetStream.Play.Start")  # waits for a publisher, as any live play


async def test_unknown_recording_is_refused_at_once(tmp_path: Path) -> None:
    async with Running(tmp_path) as kept:
        for name in ("r9", "..", "r1/0", "x" * 100):
            peer = await kept.player(name)
            said = await peer.expect_close()
            assert any("NetStream.Play.StreamNotFound" in line for line in said), (name, said)


async def test_private_recording_is_for_who_may_watch_its_stream(tmp_path: Path) -> None:
    async with Running(tmp_path, 'auth.private=["live/*"]') as kept:
        await kept.add(recording())
        peer = await kept.player("r1")
        await peer.expect("error")
        assert not peer.media
        peer = await kept.player(f"r1?token={token(kept)}", buffer_ms=ALL_MS)
        await peer.expect("NetStream.Play.Stop")


async def test_player_who_is_given_another_stream_gets_no_recording_of_this_one(
    tmp_path: Path,
) -> None:
    async with Running(tmp_path) as kept:
        await kept.add(recording())
        kept.live.services.gate.authorizers.append(Elsewhere())
        for name, start, app in (("r1", -2.0, "recordings"), ("a", 0.0, "live")):
            peer = await kept.player(name, start, app=app)
            await peer.expect("error")
            assert "another stream" in " ".join(peer.reasons)
            assert not peer.media


async def test_damaged_file_ends_that_play_with_a_reason_and_no_other(tmp_path: Path) -> None:
    async with Running(tmp_path) as kept:
        await kept.add(recording("whole"))
        await kept.add(recording("torn"))
        path = kept.recordings.folder / "live/a/torn-0.flv"
        path.write_bytes(path.read_bytes()[: len(FLV_HEAD) + 5000])
        torn = await kept.player("torn", buffer_ms=ALL_MS)
        said = await torn.expect_close()
        assert any(" error " in line for line in said)
        assert "the file is shorter than it was" in torn.reasons[-1]
        path.unlink()
        gone = await kept.player("torn", buffer_ms=ALL_MS)
        await gone.expect_close()
        assert "No such file or directory" in gone.reasons[-1]
        assert str(tmp_path) not in gone.reasons[-1]
        whole = await kept.player("whole", buffer_ms=ALL_MS)
        await whole.expect("NetStream.Play.Stop")


async def test_player_that_takes_nothing_makes_nobody_hold_more_than_a_piece(
    tmp_path: Path,
) -> None:
    async with Running(tmp_path) as kept:
        big = [video_tag(STEP_MS * n, (KEYFRAME if n % 10 == 0 else FRAME) + bytes(100_000))
               for n in range(200)]  # fmt: skip
        await kept.add_file(recording(), 0, big, 0.0)
        peer = await kept.player("r1", buffer_ms=ALL_MS)
        await peer.expect("NetStream.Play.Start")
        (session,) = kept.live.services.sessions.connections
        await until(lambda: session.transport.backlog)
        most = stored_play.PIECE + 2 * 110_000
        for _ in range(20):
            await asyncio.sleep(0.01)
            assert session.transport.backlog < most
        await peer.expect("NetStream.Play.Stop")
        assert len(peer.media) == HEADS + 200


async def test_database_that_is_away_for_a_while_is_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(played_module, "GROWS_S", 0.01)
    async with Running(tmp_path) as kept:
        await kept.add(recording())
        asked, failures = RecordingTables.segments, [1, 1, 1]

        async def flaky(*given: object, **named: object) -> object:
            if failures:
                failures.pop()
                raise DatabaseError("it is away")
            return await asked(*given, **named)  # type: ignore[arg-type]

        monkeypatch.setattr(RecordingTables, "segments", flaky)
        peer = await kept.player("r1", buffer_ms=ALL_MS)
        await peer.expect("NetStream.Play.Stop")
        assert not failures
        monkeypatch.setattr(played_module, "AWAY_S", -1.0)
        failures += [1]
        peer = await kept.player("r1", buffer_ms=ALL_MS)
        await peer.expect_close()
        assert "it is away" in peer.reasons[-1]


async def test_session_is_counted_kicked_and_what_it_plays_is_kept_meanwhile(
    tmp_path: Path,
) -> None:
    async with Running(tmp_path) as kept:
        await kept.add(recording())
        peer = await kept.player("r1")
        await peer.expect_media(HEADS + 5)
        assert kept.recordings.known.is_watched("r1")
        (session,) = kept.live.services.sessions.connections
        assert session.bytes_out > 5 * 400
        session.kick()
        await peer.expect_close()
        await until(lambda: not kept.live.services.sessions.connections)
        (known,) = [await kept.recordings.known.get("r1")]
        assert known is not None
        await until(lambda: known.users == 0)


async def test_grant_that_ends_ends_the_play_with_its_reason(tmp_path: Path) -> None:
    async with Running(tmp_path, 'auth.private=["live/*"]') as kept:
        await kept.add(recording())
        peer = await kept.player(f"r1?token={token(kept)}")
        await peer.expect_media(HEADS + 5)
        gate = kept.live.services.gate
        (grant,) = [each for each in gate.live() if each.action == "play"]
        gate.end(grant, "enough")
        await peer.expect_close()
        assert peer.reasons[-1] == "enough"
        assert not gate.live()


async def test_play_of_a_server_that_stops_ends_with_a_reason(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with Running(tmp_path) as kept:
        await kept.add(recording())
        await kept.live.services.features[PlayedRecordings].stop()
        peer = await kept.player("r1")
        await peer.expect_close()
        assert "the server stops" in peer.reasons[-1]
    assert "a bug" not in caplog.text


async def test_recording_that_is_deleted_while_it_is_paused_ends_with_a_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("headend.record.known.OVER_FRESH_S", -1.0)
    async with Running(tmp_path) as kept:
        await kept.add(recording(), files=5)
        peer = await kept.player("r1")
        await peer.expect_media(HEADS + 5)
        await peer.send(command("pause", 0, None, True, 0, on=1))
        await peer.expect("NetStream.Pause.Notify")
        await kept.tables.delete("r1")
        await peer.send(command("pause", 0, None, False, 0, on=1))
        await peer.send(command("seek", 0, None, 50_000, on=1))
        await peer.expect_close()
        assert "the recording was deleted" in peer.reasons[-1]


async def test_damaged_flv_is_refused_or_read_and_nothing_else(tmp_path: Path) -> None:
    chance = random.Random(5)
    path = tmp_path / "a.flv"
    data = FLV_HEAD + b"".join(serialize_tag(frame(n)) for n in range(30))
    whole = RecordedSegment(0, len(FLV_HEAD), len(data) - len(FLV_HEAD), 0.0, 3.0, 0.0, True)
    refused = 0
    for _ in range(300):
        damaged = bytearray(data)
        for _ in range(chance.randrange(1, 6)):
            damaged[chance.randrange(len(damaged))] = chance.choice((0, 0x7F, 0xFF, 8, 9, 18))
        if chance.random() < 0.2:
            del damaged[chance.randrange(len(damaged)) :]
        path.write_bytes(damaged)
        try:
            file = open_stored(LocalBytes(path), len(FLV_HEAD), whole)
            at = whole.offset
            while at < whole.offset + whole.size:
                at = file.batch(whole, at).next
            file.start(whole, 1500)
        except MediaError:
            refused += 1
    assert 20 < refused < 300

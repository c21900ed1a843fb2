"""Tests of headend.live.status."""

from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

import pytest
from tests.harness import KEYFRAME, VIDEO_HEADER, live_server, message, until
from tests.wire import wire

from headend.hub.stream import Stream
from headend.live import status
from headend.live.status import StreamStatus
from headend.media.headers import Codec
from headend.media.tag import VIDEO

AUDIO_HEADER = wire("af 00 1208 56e500")
HEVC_HEADER = wire("90 68766331") + bytes(23)  # enhanced: SequenceStart, hvc1
UNKNOWN_HEADER = wire("90 21212121 01")  # enhanced, of a codec nobody knows
UNREADABLE_HEADER = wire("90 61")  # enhanced, cut within the codec's name
MP3_FRAME = wire("2f fffb9064") + bytes(413)  # MPEG-1, 128 kbit/s, 44.1 kHz, joint stereo
SPEEX_FRAME = wire("b2 1d") + bytes(40)
ULAW_FRAME = wire("82 ff") + bytes(159)


def test_headers_over_the_limit_are_not_kept() -> None:
    kept = status._read_configs.cache_info().currsize
    large = wire("17 00 000000") + bytes(20_000)
    assert [config.codec for config in status._configs(VIDEO, large)] == [Codec.H264]
    assert status._read_configs.cache_info().currsize == kept


def only(streams: list[StreamStatus]) -> StreamStatus:
    (stream,) = streams
    return stream


async def test_live_stream_is_described(tmp_path: Path) -> None:
    async with live_server(tmp_path) as live:
        publisher = await live.publisher("a")
        await publisher.send_video(VIDEO_HEADER)
        await publisher.send(message(4, 8, 1, AUDIO_HEADER))
        await publisher.send_video(KEYFRAME)
        player = await live.player("a")
        await player.expect_media(3)
        seen = only(status.streams(live.services))
        tracks = [(track.kind, track.codec, track.codecs) for track in seen.tracks]
        assert tracks == [("video", "h264", ""), ("audio", "aac", "mp4a.40.2")]
        assert seen.viewers_by_protocol == {"rtmp": 1}
        told = asdict(seen)
        assert told.pop("health") == [{"level": "ok", "text": "all is well"}]
        assert [told.pop(key) for key in ("tracks", "viewers_by_protocol")]
        assert not any(told.pop("repairs").values())
        assert 0 <= told.pop("uptime_s") < 60
        assert told == {
            "path": "live/a",
            "app": "live",
            "name": "a",
            "is_copy": False,
            "title": "",
            "description": "",
            "state": "live",
            "publisher": publisher.name,
            "standbys": [],
            "viewers": 1,
            "late": 0,
            "skips": 0,
            "bytes_in": len(VIDEO_HEADER) + len(AUDIO_HEADER) + len(KEYFRAME),
            "bit_rate": 0,
            "bit_rate_out": 0,
            "frame_rate": 0.0,
            "audio_rate": 0.0,
            "keyframe_interval_s": None,
            "rules": [],
        }


async def test_stream_that_is_waited_for_has_neither_publisher_nor_uptime(tmp_path: Path) -> None:
    async with live_server(tmp_path) as live:
        await live.player("a")
        seen = only(status.streams(live.services))
        assert (seen.state, seen.publisher, seen.uptime_s) == ("waiting", None, None)
        assert (seen.viewers, seen.tracks) == (1, [])


async def test_stream_whose_publisher_is_lost_is_interrupted_and_one_that_ended_is_not_listed(
    tmp_path: Path,
) -> None:
    async with live_server(tmp_path) as live:
        publisher = await live.publisher("a")
        publisher.close()
        await until(lambda: not live.services.sessions.connections)
        seen = only(status.streams(live.services))
        assert (seen.state, seen.publisher) == ("interrupted", None)
        live.services.registry.end_all()
        assert status.streams(live.services) == []


@pytest.mark.parametrize(
    ("header", "tracks"),
    [
        (HEVC_HEADER, [("video", 0, "hevc", "")]),
        (UNKNOWN_HEADER, [("video", 0, "unknown", "")]),
        (UNREADABLE_HEADER, []),
    ],
)
async def test_header_that_is_damaged_names_the_codec_at_most(
    header: bytes, tracks: list[object], tmp_path: Path
) -> None:
    async with live_server(tmp_path) as live:
        player = await live.player("a")
        publisher = await live.publisher("a")
        await publisher.send_video(header)
        await publisher.send_video(KEYFRAME)
        await player.expect_media(1)
        seen = only(status.streams(live.services)).tracks
        said = [(each.kind, each.track, each.codec, each.codecs) for each in seen]
        assert said == tracks


@pytest.mark.parametrize(
    ("frame", "codec", "codecs", "sample_rate", "channels"),
    [
        (MP3_FRAME, "mp3", "mp4a.40.34", 44100, 2),
        (SPEEX_FRAME, "speex", "", 16000, 1),
        (ULAW_FRAME, "pcm_mulaw", "", 8000, 1),
    ],
)
async def test_sound_without_a_sequence_header_is_told_by_a_frame(
    frame: bytes, codec: str, codecs: str, sample_rate: int, channels: int, tmp_path: Path
) -> None:
    async with live_server(tmp_path) as live:
        player = await live.player("a")
        publisher = await live.publisher("a")
        await publisher.send_video(VIDEO_HEADER)
        await publisher.send_video(KEYFRAME)
        await publisher.send(message(4, 8, 1, frame))
        await player.expect_media(3)
        picture, sound = only(status.streams(live.services)).tracks
        assert picture.codec == "h264"
        assert (sound.kind, sound.codec, sound.codecs) == ("audio", codec, codecs)
        assert (sound.sample_rate, sound.channels) == (sample_rate, channels)


async def test_metadata_is_no_track(tmp_path: Path) -> None:
    async with live_server(tmp_path) as live:
        publisher = await live.publisher("a")
        metadata = b"\x02\x00\x0aonMetaData\x08" + bytes(4) + b"\x00\x00\x09"
        await publisher.send(message(4, 18, 1, metadata))
        stream = live.services.registry.stream("live/a")
        assert isinstance(stream, Stream)
        await until(stream.headers)
        assert only(status.streams(live.services)).tracks == []


async def test_name_without_an_app_is_the_app(tmp_path: Path) -> None:
    async with live_server(tmp_path) as live:
        await live.publisher("?x=1")
        seen = only(status.streams(live.services))
        assert (seen.path, seen.app, seen.name) == ("live", "live", "")


async def test_sessions_are_listed_oldest_first_with_what_they_do(tmp_path: Path) -> None:
    async with live_server(tmp_path) as live:
        player = await live.player("a")
        publisher = await live.publisher("a")
        first, second = status.sessions(live.services)
        assert (first.id, first.peer, first.protocol) == (1, player.name, "rtmp")
        assert (first.plays, first.publishes, first.tls) == (["live/a"], [], None)
        assert (second.id, second.peer) == (2, publisher.name)
        assert (second.plays, second.publishes) == ([], ["live/a"])
        assert second.bytes_in > 3000
        assert 0 <= first.connected_s < 60


async def test_server_without_tls_has_no_certificates(tmp_path: Path) -> None:
    async with live_server(tmp_path) as live:
        assert status.certificates(live.services, datetime.now(UTC)) == []


async def test_certificate_that_is_served_is_described(tmp_path: Path) -> None:
    async with live_server(tmp_path, "tls.listen=127.0.0.1:0") as live:
        now = datetime.now(UTC)
        (seen,) = status.certificates(live.services, now)
        assert seen.self_signed
        assert "localhost" in seen.names
        assert seen.expires_in_s > 3600
        assert datetime.fromisoformat(seen.not_after) > now

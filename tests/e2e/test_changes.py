"""Tests of what changes in the middle of a stream: its codecs, and what a player wants."""

import asyncio
import re
from pathlib import Path

import pytest
from tests.e2e import media
from tests.e2e.peers import Peers
from tests.e2e.raw import AUDIO, VIDEO, RawPeer, amf
from tests.e2e.server import Server

from headend import client
from headend.media import flv
from headend.media.tag import Tag

pytestmark = pytest.mark.e2e

KEYFRAME = b"\x17\x01"  # H.264: keyframe, NALUs
PICTURES = (b"\x17\x01", b"\x27\x01")


def tags(file: Path, start: int = 0) -> list[Tag]:
    """Read an FLV file; `start` is added to its timestamps."""
    reader = flv.Reader()
    reader.receive_data(file.read_bytes())
    return [tag._replace(timestamp=tag.timestamp + start) for tag in reader.tags()]


def test_picture_that_changes_its_size_is_decoded_by_the_new_header(
    server: Server, peers: Peers, clip: Path, other_clip: Path, tmp_path: Path
) -> None:
    async def publish() -> None:
        async with client.publish(server.url("live/a")) as out:
            for tag in tags(clip) + tags(other_clip, 3000):
                await out.write(tag)

    dumped = tmp_path / "dumped.flv"
    player = peers.rtmpdump(server.url("live/a"), dumped)
    server.wait_log("play live/a waits")
    asyncio.run(publish())
    player.wait()
    # librtmp drops video of up to 5 bytes, such as the end of the sequence, 17 02 000000.
    shown = [tag for tag in tags(dumped) if tag.kind == VIDEO]
    second = [tag for tag in tags(other_clip) if tag.kind == VIDEO and len(tag.body) > 5]
    index = [tag.body for tag in shown].index(second[0].body)
    assert second[0].is_sequence_header
    assert [tag.body for tag in shown[index:]] == [tag.body for tag in second]
    probe = peers.run(
        *("ffprobe", "-v", "error", "-select_streams", "v", "-of", "csv"),
        *("-show_entries", "frame=width,height", str(dumped)),
    )
    probe.succeed()
    sizes = re.findall(r"^frame,(\d+),(\d+)", probe.output(), re.MULTILINE)
    before, after = len(media.frames(clip)["video0"]), len(media.frames(other_clip)["video0"])
    assert sizes == [("160", "96")] * before + [("320", "176")] * after


def test_paused_player_gets_nothing_and_goes_on_with_a_keyframe(
    server: Server, peers: Peers, clip: Path
) -> None:
    peers.publish(clip, server.url("live/a"), is_endless=True)
    server.wait_media("live/a", 10_000)
    player = RawPeer.tcp(server.rtmp[0])
    player.play("a")
    player.read_until(lambda message: message.payload[:2] == KEYFRAME)
    player.command(amf("pause", 0.0, None, True, 0.0))
    player.read_status("NetStream.Pause.Notify")
    seen = server.wait_stream("live/a", viewers=0)["bytes_in"]
    server.wait_media("live/a", seen + 10_000)
    player.command(amf("pause", 0.0, None, False, 0.0))
    between = player.read_status("NetStream.Unpause.Notify")
    assert not [message for message in between if message.type_id in (AUDIO, VIDEO)]
    *_, picture = player.read_until(lambda message: message.payload[:2] in PICTURES)
    assert picture.payload[:2] == KEYFRAME
    player.close()


def test_player_switches_video_off_and_on_again(server: Server, peers: Peers, clip: Path) -> None:
    peers.publish(clip, server.url("live/a"), is_endless=True)
    server.wait_media("live/a", 10_000)
    player = RawPeer.tcp(server.rtmp[0])
    player.play("a")
    player.read_until(lambda message: message.payload[:2] in PICTURES)
    player.command(amf("receiveVideo", 0.0, None, False))
    kinds: list[int] = []

    def is_sound_only() -> bool:
        # There are fewer than two frames of sound to a picture.
        return len(kinds) >= 20 and set(kinds[-20:]) == {AUDIO}

    while not is_sound_only():
        *_, message = player.read_until(lambda message: message.type_id in (AUDIO, VIDEO))
        kinds.append(message.type_id)
    player.command(amf("receiveVideo", 0.0, None, True))
    *_, picture = player.read_until(lambda message: message.payload[:2] in PICTURES)
    assert picture.payload[:2] == KEYFRAME
    player.close()

"""Tests of publish, play and probe against nginx-rtmp, ffmpeg and our own server."""

import json
import re
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.e2e import media
from tests.e2e.backend import free_port
from tests.e2e.conftest import StartServer
from tests.e2e.nginx import nginx_rtmp
from tests.e2e.peers import Peers
from tests.e2e.server import Server
from tests.e2e.wait import wait_for

pytestmark = pytest.mark.e2e

ROOT = Path(__file__).parents[2]
APPLICATIONS = """
application live { live on; wait_key on; }
application closed { live on; deny publish all; }
"""


@pytest.fixture
def nginx(peers: Peers, tmp_path: Path) -> Iterator[str]:
    """The start of the URLs of an nginx with RTMP."""
    place, start = nginx_rtmp(APPLICATIONS, peers, tmp_path / "nginx")
    process = start()
    yield f"rtmp://{place}"
    process.send(signal.SIGTERM)
    process.wait()


@pytest.fixture(scope="session")
def film(ffmpeg: str, media_folder: Path) -> Path:
    """An MP4 of H.264 with B frames and AAC; 2.4 s."""
    inputs = (*media.picture(2.4), *media.tone(2.4))
    return media.make(ffmpeg, media_folder / "film.mp4", *inputs, *media.H264, *media.AAC)


def test_film_goes_through_nginx_and_is_probed_there(
    nginx: str, peers: Peers, film: Path, tmp_path: Path
) -> None:
    url, played = f"{nginx}/live/a", tmp_path / "played.flv"
    publisher = peers.headend("publish", str(film), url, "--loop")
    wait_for(lambda: "nothing" if publisher.is_running else "", "the publisher runs")
    peers.headend("play", url, "-o", str(played), "--duration", "2").succeed()
    probe = peers.headend("probe", url, "--json", "--duration", "2")
    probe.succeed()
    document = json.loads(probe.output())
    video, audio = document["video"], document["audio"]
    assert (video["codec"], video["width"], video["height"]) == ("h264", 160, 96)
    # Between two rounds the sound, which starts later than the picture, goes on a little longer.
    assert video["frame_rate"] == pytest.approx(24, abs=2)
    assert video["keyframe_interval"] == pytest.approx(0.4, abs=0.05)
    assert video["has_b_frames"]
    assert (audio["codec"], audio["sample_rate"]) == ("aac", 44100)
    assert 0 <= document["time_to_connect"] <= document["time_to_first_picture"] < 60
    pictures = [frame.hash for frame in media.frames(played)["video0"]]
    looped = [frame.hash for frame in media.frames(film)["video0"]] * 3
    start = looped.index(pictures[0])
    assert len(pictures) > 20
    assert pictures == looped[start : start + len(pictures)]
    publisher.send(signal.SIGINT)
    assert publisher.wait() == 130


def test_nginx_that_closes_is_told_in_a_line(nginx: str, peers: Peers, film: Path) -> None:
    publisher = peers.headend("publish", str(film), f"{nginx}/closed/a")
    assert publisher.wait() in (1, 3)
    assert re.fullmatch(r"headend: [^\n]+\n", publisher.output())


@pytest.mark.parametrize("name", ["film.mp4", "film.mkv", "film.ts", "film.mov"])
def test_film_is_published_as_it_is(
    name: str, server: Server, peers: Peers, film: Path, ffmpeg: str, tmp_path: Path
) -> None:
    file = tmp_path / name
    media.make(ffmpeg, file, "-i", str(film), "-c", "copy")
    player = peers.headend("play", server.url("live/a"), "-o", str(tmp_path / "played.flv"))
    server.wait_log("play live/a waits")
    publisher = peers.headend("publish", str(file), server.url("live/a"), "--no-pace")
    publisher.succeed()
    (line,) = publisher.output().splitlines()  # nothing was encoded anew
    assert line.startswith("published ")
    player.succeed()
    played, published = media.frames(tmp_path / "played.flv"), media.frames(film)
    if name != "film.ts":  # which adds access unit delimiters
        media.assert_same(played, published)
    assert {track: len(frames) for track, frames in played.items()} == {
        track: len(frames) for track, frames in published.items()
    }


@pytest.mark.parametrize(
    ("name", "options", "notes"),
    [
        ("a.webm", ("-c:v", "libvpx", "-c:a", "libvorbis"), ["vp8", "vorbis"]),
        ("a.mkv", ("-c:v", "mpeg4", "-c:a", "pcm_s16le"), ["mpeg4", "pcm_s16le"]),
        ("a.ts", ("-c:v", "mpeg2video", "-c:a", "mp2"), ["mpeg2video", "mp2"]),
    ],
)
def test_film_that_rtmp_cannot_carry_is_encoded(
    name: str,
    options: tuple[str, ...],
    notes: list[str],
    server: Server,
    peers: Peers,
    ffmpeg: str,
    tmp_path: Path,
) -> None:
    inputs = (*media.picture(1.2), *media.tone(1.2, 48000))
    file = media.make(ffmpeg, tmp_path / name, *inputs, *options)
    player = peers.play(server.url("live/a"), tmp_path / "played.mkv")
    server.wait_log("play live/a waits")
    publisher = peers.headend("publish", str(file), server.url("live/a"), "--no-pace")
    publisher.succeed()
    player.succeed()
    said = publisher.output().splitlines()
    assert len(said) == 3
    assert said.pop().startswith("published ")
    for note, line in zip(notes, said, strict=True):
        assert line.startswith(f"{note} does not fit into RTMP: encoding it as ")
    tracks = media.frames(tmp_path / "played.mkv")
    assert len(tracks["video0"]) == pytest.approx(30, abs=1)
    assert len(tracks["audio0"]) > 50


def test_bad_files_are_a_line_and_exit_with_1(
    server: Server, peers: Peers, film: Path, clip: Path, tmp_path: Path
) -> None:
    (tmp_path / "cut.mp4").write_bytes(film.read_bytes()[:5000])
    (tmp_path / "cut.flv").write_bytes(clip.read_bytes()[:20_000])
    whole = media.make("ffmpeg", tmp_path / "whole.mkv", *media.picture(5), *media.H264)
    (tmp_path / "cut.mkv").write_bytes(whole.read_bytes()[: whole.stat().st_size // 2])
    (tmp_path / "text.mp4").write_text("no film at all\n" * 100)
    (tmp_path / "none.mkv").write_bytes(b"")
    for name in ("cut.mp4", "cut.flv", "cut.mkv", "text.mp4", "none.mkv", "missing.mp4"):
        file = str(tmp_path / name)
        publisher = peers.headend("publish", file, server.url("live/a"), "--no-pace")
        assert publisher.wait() == 1
        assert re.fullmatch(
            r"headend: [^\n]+\n", publisher.output().splitlines(keepends=True)[-1]
        ), publisher.output()
        assert name in publisher.output()


def test_ffmpeg_listens_and_headend_publishes_to_it(
    peers: Peers, film: Path, tmp_path: Path
) -> None:
    url = f"rtmp://127.0.0.1:{free_port()}/live/a"
    received = tmp_path / "received.mkv"
    listener = peers.run(
        *("ffmpeg", "-v", "error", "-listen", "1", "-i", url, "-c", "copy", str(received))
    )
    publisher = peers.headend("publish", str(film), url, "--no-pace")
    while publisher.wait() == 1 and "Connection refused" in publisher.output():
        publisher = peers.headend("publish", str(film), url, "--no-pace")
    publisher.succeed()
    listener.succeed()
    media.assert_same(media.frames(received), media.frames(film))


def test_ffmpeg_listens_and_headend_plays_from_it(peers: Peers, clip: Path, tmp_path: Path) -> None:
    url = f"rtmp://127.0.0.1:{free_port()}/live/a"
    played = tmp_path / "played.flv"
    sender = ("-re", "-i", str(clip), "-c", "copy", "-f", "flv", "-listen", "1", url)
    peers.run("ffmpeg", "-v", "error", *sender)
    player = peers.headend("play", url, "-o", str(played))
    while player.wait() == 1 and "Connection refused" in player.output():
        player = peers.headend("play", url, "-o", str(played))
    assert player.wait() == 0, player.output()
    media.assert_same(media.frames(played), media.frames(clip))


@pytest.mark.parametrize("form", ["http", "ws"])
def test_headend_plays_over_http(
    form: str, server: Server, peers: Peers, clip: Path, tmp_path: Path
) -> None:
    played = tmp_path / "played.flv"
    url = f"{form}://{server.http[0]}/live/a.flv"
    player = peers.headend("play", url, "-o", str(played))
    server.wait_stream("live/a", state="waiting")
    peers.publish(clip, server.url("live/a"), is_paced=True).succeed()
    player.succeed()
    media.assert_joined(media.frames(played), media.frames(clip))


def test_headend_plays_hls(
    start_server: StartServer, peers: Peers, clip: Path, tmp_path: Path
) -> None:
    server, played = start_server(), tmp_path / "played.flv"
    peers.publish(clip, server.url("live/a"), is_endless=True)
    server.wait_media("live/a")
    url = f"http://{server.http[0]}/live/a/index.m3u8"
    peers.headend("play", url, "-o", str(played), "--duration", "2").succeed()
    tracks = media.frames(played)
    assert len(tracks["video0"]) > 30
    assert len(tracks["audio0"]) > 50
    media.assert_forward(tracks)


@pytest.mark.parametrize("scheme", ["adobe", "llnw"])
def test_user_and_password_are_taken_by_our_own_server(
    scheme: str, start_server: StartServer, peers: Peers, clip: Path
) -> None:
    server = start_server(
        "auth.publish=key", "auth.password_apps=studio", f"auth.password_scheme={scheme}"
    )
    create = peers.headend("key", "create", "studio/a", "--json", "--data", str(server.data))
    create.succeed()
    key = json.loads(create.output())
    place = f"{server.rtmp[0]}/studio/a"
    right = f"rtmp://{key['id']}:{key['key']}@{place}"
    done = peers.headend("publish", str(clip), right, "--no-pace")
    assert done.wait() == 0, done.output() + "\n".join(server.log())
    wrong = peers.headend("publish", str(clip), f"rtmp://{key['id']}:hk_wrong@{place}")
    assert wrong.wait() == 3
    assert "user or password is wrong" in wrong.output()
    nobody = peers.headend("publish", str(clip), f"rtmp://{place}")
    assert nobody.wait() == 3
    assert "it wants a user and a password" in nobody.output()


def test_examples_of_the_manual_run(server: Server, peers: Peers, film: Path) -> None:
    text = (ROOT / "docs" / "client.md").read_text()
    watch, send = [
        block
        for block in re.findall(r"^```python\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
        if "asyncio.run" in block
    ]
    url = server.url("live/a")
    watch = watch.replace("rtmp://127.0.0.1/live/a", url)
    send = send.replace("rtmp://127.0.0.1/live/a?key=hk_…", url).replace("clip.mp4", str(film))
    watcher = peers.python(watch)
    server.wait_log("play live/a waits")
    peers.python(send).succeed()
    watcher.succeed()
    assert "VIDEO 40 " in watcher.output()
    assert "AUDIO " in watcher.output()

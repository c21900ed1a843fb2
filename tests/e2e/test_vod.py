"""Tests of media files on demand with Chromium and hls.js, ffmpeg, rtmpdump and GStreamer."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import expect
from tests.e2e import media
from tests.e2e.browser import OpenTab
from tests.e2e.server import Server

pytestmark = pytest.mark.e2e

DURATION = 24.0  # rtmpdump takes a file for whole if 0.1 % of it are missing


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    options = (*media.picture(DURATION, "320x180"), *media.tone(DURATION), *media.H264, *media.AAC)
    return media.make("ffmpeg", tmp_path_factory.mktemp("films") / "film.mp4", *options)


@pytest.fixture(scope="module")
def server(film: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server with the film, as FLV too, with two sounds and texts, and as a private file."""
    texts = film.parent / "texts.srt"
    texts.write_text("1\n00:00:00,500 --> 00:00:23,000\nGood evening\n\n")
    inputs = ("-i", str(film), "-i", str(film), "-i", str(texts))
    tracks = ("-map", "0", "-map", "1:a", "-map", "2", "-c", "copy")
    languages = ("-metadata:s:a:0", "language=eng", "-metadata:s:a:1", "language=deu")
    media.make("ffmpeg", film.parent / "more.mkv", *inputs, *tracks, *languages)
    media.make("ffmpeg", film.parent / "film.flv", "-i", str(film), "-c", "copy")
    media.make("ffmpeg", film.parent / "secret.mp4", "-i", str(film), "-c", "copy")
    server = Server(
        tmp_path_factory.mktemp("vod"),
        f'vod.folder="{film.parent}"',
        'auth.private=["vod/secret.mp4"]',
        arguments=("--tls", "127.0.0.1:0"),
    )
    try:
        yield server
    finally:
        server.process.kill()


def hashes(*options: str) -> dict[str, list[str]]:
    """Return the hashes of the frames that ffmpeg reads of an address."""
    words = ["ffmpeg", "-v", "error", *options, "-map", "0:v", "-map", "0:a", "-c", "copy"]
    done = subprocess.run(
        [*words, "-f", "framemd5", "-"], check=True, capture_output=True, text=True, timeout=60
    )
    return media.hashes(media.parse_frames(done.stdout))


def test_ffmpeg_gets_every_frame_over_hls_rtmp_and_rtmps(server: Server, film: Path) -> None:
    wanted = media.hashes(media.frames(film))
    assert hashes("-i", f"http://{server.http[0]}/vod/film.mp4/index.m3u8") == wanted
    for address in (f"rtmp://{server.rtmp[0]}", f"rtmps://{server.tls[0]}"):
        assert hashes("-rtmp_buffer", "3600000", "-i", f"{address}/vod/film.mp4") == wanted


def test_ffmpeg_seeks_over_rtmp(server: Server, film: Path) -> None:
    got = hashes("-ss", "9", "-i", server.url("vod/film.flv"), "-t", "2")["video0"]
    whole = media.hashes(media.frames(film))["video0"]
    at = whole.index(got[0])
    assert 0 < at <= 9 * media.FRAME_RATE
    assert got == whole[at : at + len(got)]


@pytest.mark.parametrize("name", ["film.mp4", "film.flv"])  # it says mp4:film.mp4, and film
def test_rtmpdump_gets_every_frame(server: Server, film: Path, tmp_path: Path, name: str) -> None:
    file = tmp_path / "whole.flv"
    command = ["rtmpdump", "-q", "-r", server.url(f"vod/{name}"), "-o", str(file)]
    assert subprocess.run(command, check=False, timeout=60).returncode == 0
    assert media.hashes(media.frames(file)) == media.hashes(media.frames(film))


def test_gstreamer_plays_a_file(server: Server, film: Path, tmp_path: Path) -> None:
    file = tmp_path / "played.flv"
    words = ["gst-launch-1.0", "-q", "rtmp2src", f"location={server.url('vod/film.mp4')}"]
    subprocess.run([*words, "!", "filesink", f"location={file}"], check=True, timeout=60)
    got, wanted = (media.hashes(media.frames(each))["video0"] for each in (file, film))
    assert got == wanted[: len(got)]
    assert len(got) >= len(wanted) - 1


def test_page_plays_and_seeks_to_the_end(server: Server, open_tab: OpenTab) -> None:
    tab = open_tab(f"http://{server.http[0]}/watch/vod/more.mkv")
    tab.page.wait_for_selector("#bar")
    tab.ask("(video.muted = true, video.play())")
    tab.wait("video.currentTime > 0.5 && video.videoWidth === 320")
    assert tab.ask("Math.round(video.duration)") == DURATION
    tab.ask("(video.currentTime = 17)")
    tab.wait("video.currentTime > 17.5 && !video.seeking && video.readyState > 2")
    tab.ask("(video.currentTime = 23)")
    tab.wait("video.ended")
    assert tab.check() == []


def test_page_offers_sounds_and_captions(server: Server, open_tab: OpenTab) -> None:
    tab = open_tab(f"http://{server.http[0]}/watch/vod/more.mkv")
    tab.ask("(video.muted = true, video.play())")
    tab.wait("video.currentTime > 0.5 && video.videoWidth === 320")
    page = tab.page
    page.get_by_role("button", name="Settings").click()
    page.locator("#sound").select_option(index=1)
    tab.wait("window.headend_hls.audioTrack === 1")
    page.locator("#captions").select_option(index=1)
    tab.wait("[...video.textTracks].some((t) => t.mode === 'showing' && t.activeCues?.length)")
    page.keyboard.press("Escape")
    expect(page.locator("#menu")).to_be_hidden()
    page.get_by_role("button", name="Captions").click()
    tab.wait("[...video.textTracks].every((t) => t.mode !== 'showing')")
    assert tab.check() == []


def test_page_without_a_choice_has_no_menu(server: Server, open_tab: OpenTab) -> None:
    tab = open_tab(f"http://{server.http[0]}/watch/vod/film.mp4")
    tab.ask("(video.muted = true, video.play())")
    tab.wait("video.currentTime > 0.5")
    expect(tab.page.locator("#settings")).to_be_hidden()
    expect(tab.page.locator("#token-form")).to_be_hidden()
    assert tab.check() == []


def test_page_of_a_private_file_asks_for_a_token_and_plays(
    server: Server, open_tab: OpenTab
) -> None:
    tab = open_tab(f"http://{server.http[0]}/watch/vod/secret.mp4")
    tab.wait_text("This file is private")
    tab.page.get_by_label("Token").fill(server.sign("vod/*", expires_s=3600))
    tab.page.get_by_role("button", name="Watch").click()
    tab.page.wait_for_url("**/watch/vod/secret.mp4?token=*")
    tab.ask("(video.muted = true, video.play())")
    tab.wait("video.currentTime > 0.5")
    assert tab.check() == []

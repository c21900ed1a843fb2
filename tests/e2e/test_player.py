"""Tests of the player page in Chromium, with what ffmpeg publishes."""

import signal
import subprocess
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import quote

import pytest
from tests.e2e import media
from tests.e2e.browser import OpenTab, Tab
from tests.e2e.conftest import StartServer
from tests.e2e.peers import Peers
from tests.e2e.server import Server
from tests.e2e.wait import wait_for

pytestmark = pytest.mark.e2e

SEVERAL_LOOKS_MS = 800  # of the player at its video

# Numbers that change with the picture.
PIXELS = """() => {
  const canvas = document.createElement('canvas');
  [canvas.width, canvas.height] = [16, 9];
  const context = canvas.getContext('2d');
  context.drawImage(document.getElementById('video'), 0, 0, 16, 9);
  return [...context.getImageData(0, 0, 16, 9).data].join();
}"""


@pytest.fixture(scope="module")
def on_air(clip: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server on which live/a is published, for all tests that only watch."""
    folder = tmp_path_factory.mktemp("on_air")
    server, peers = Server(folder, "auth.private=vip/*"), Peers(folder)
    try:
        peers.publish(clip, server.url("live/a"), is_endless=True)
        server.wait_media("live/a")
        yield server
    finally:
        peers.close()
        server.process.kill()


@pytest.fixture
def serve_page() -> Iterator[Callable[[str], str]]:
    """Serve a page from another origin; return its address."""
    page = b""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.end_headers()
            self.wfile.write(page)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    def serve(text: str) -> str:
        nonlocal page
        page = text.encode()
        return f"http://localhost:{server.server_port}/"

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield serve
        server.shutdown()


def watch(server: Server, path: str = "live/a") -> str:
    """Return the address of a stream's player page."""
    return f"http://{server.http[0]}/watch/{path}"


def assert_plays(tab: Tab) -> None:
    """Check that the time goes on and the picture changes."""
    tab.wait("headend.state === 'playing'")
    time, pixels = tab.ask("headend.currentTime"), tab.ask(PIXELS)
    tab.wait(f"headend.currentTime > {time} + 0.3")
    wait_for(lambda: tab.ask(PIXELS) != pixels, "another picture")


@pytest.mark.parametrize(
    ("mode", "way"), [("auto", "WebSocket-FLV"), ("flv", "WebSocket-FLV"), ("hls", "HLS")]
)
def test_page_plays_what_is_published(
    mode: str, way: str, on_air: Server, open_tab: OpenTab
) -> None:
    tab = open_tab(f"{watch(on_air)}?mode={mode}")
    assert_plays(tab)
    assert tab.ask("headend.way") == way
    # More than a moment, for nothing is shown at once; less than any keyframe or segment explains.
    assert 0.02 < tab.wait("headend.latency") < 10
    assert 0 < tab.ask("headend.firstPicture") < 20
    tab.wait_text("Live")
    tab.wait_text("H.264 and AAC")


def test_page_waits_for_a_publisher_and_for_the_next_one(
    server: Server, peers: Peers, clip: Path, open_tab: OpenTab
) -> None:
    tab = open_tab(watch(server))
    tab.wait_text("This stream is offline")
    for _ in range(2):
        publisher = peers.publish(clip, server.url("live/a"), is_endless=True)
        assert_plays(tab)
        publisher.send(signal.SIGINT)
        tab.wait_text("This stream is offline")


def test_page_says_that_the_publisher_was_lost_and_goes_on_when_it_is_back(
    server: Server, peers: Peers, clip: Path, open_tab: OpenTab
) -> None:
    publisher = peers.publish(clip, server.url("live/a"), is_endless=True)
    server.wait_media("live/a")
    tab = open_tab(watch(server))
    assert_plays(tab)
    publisher.kill()
    tab.wait_text("The broadcast is interrupted")
    peers.publish(clip, server.url("live/a"), is_endless=True)
    assert_plays(tab)


@pytest.mark.parametrize(
    ("blocked", "way"), [("**/mpegts.js", "HLS"), ("**/*.flv*", "HLS"), ("**/hls.mjs", "")]
)
def test_page_falls_back_to_what_works(
    blocked: str, way: str, on_air: Server, open_tab: OpenTab
) -> None:
    tab = open_tab()
    tab.page.route(blocked, lambda route: route.abort())
    tab.page.route_web_socket(blocked, lambda socket: socket.close())
    tab.page.goto(f"{watch(on_air)}?mode={'hls' if not way else 'auto'}")
    if way:
        assert_plays(tab)
        assert tab.ask("headend.way") == way
    else:
        tab.wait("['HLS (native)', null].includes(headend.way) || headend.state === 'failed'")


def test_page_plays_over_http_where_sockets_do_not_pass(on_air: Server, open_tab: OpenTab) -> None:
    tab = open_tab()
    tab.page.route_web_socket("**/*.flv*", lambda socket: socket.close())
    tab.page.goto(watch(on_air))
    assert_plays(tab)
    assert tab.ask("headend.way") == "HTTP-FLV"


def test_page_over_https_asks_for_nothing_in_the_clear(
    start_server: StartServer, peers: Peers, clip: Path, open_tab: OpenTab
) -> None:
    server = start_server(arguments=("--tls", "127.0.0.1:0"))
    peers.publish(clip, server.url("live/a"), is_endless=True)
    server.wait_media("live/a")
    tab = open_tab(f"https://{server.tls[0]}/watch/live/a", ignore_https_errors=True)
    assert_plays(tab)
    assert f"wss://{server.tls[0]}/live/a.flv" in tab.asked
    assert [url for url in tab.asked if url.startswith(("http:", "ws:"))] == []


def test_page_says_which_codec_the_browser_lacks(
    server: Server, peers: Peers, new_ffmpeg: str, tmp_path: Path, open_tab: OpenTab
) -> None:
    options = (*media.picture(2), "-c:v", "libx265", "-preset", "ultrafast")
    clip = media.make(new_ffmpeg, tmp_path / "hevc.flv", *options)
    peers.publish(clip, server.url("live/a"), ffmpeg=new_ffmpeg, is_endless=True)
    server.wait_media("live/a")
    tab = open_tab()
    # Some builds of Chromium decode it.
    tab.page.add_init_script("MediaSource.isTypeSupported = (type) => !type.includes('hvc1');")
    tab.page.goto(watch(server))
    tab.wait_text("This browser has no decoder for H.265.")


def test_sound_that_cannot_be_decoded_is_left_out(
    server: Server, peers: Peers, new_ffmpeg: str, tmp_path: Path, open_tab: OpenTab
) -> None:
    options = (*media.picture(2), *media.tone(2, 48000), *media.H264, "-c:a", "ac3")
    clip = media.make(new_ffmpeg, tmp_path / "ac3.flv", *options)
    peers.publish(clip, server.url("live/a"), ffmpeg=new_ffmpeg, is_endless=True)
    server.wait_media("live/a")
    tab = open_tab()
    # Some builds of Chromium decode it.
    tab.page.add_init_script("""
        const asked = MediaSource.isTypeSupported;
        MediaSource.isTypeSupported = (type) => !type.includes('ac-3') && asked(type);
    """)
    tab.page.goto(watch(server))
    assert_plays(tab)
    tab.wait_text("without the sound")


@pytest.mark.parametrize(
    ("codecs", "way", "names"),
    [
        (("-c:v", "libx264", "-c:a", "libmp3lame"), "WebSocket-FLV", "H.264 and MP3"),
        (("-c:v", "libvpx-vp9", "-deadline", "realtime", *media.AAC), "HLS", "VP9 and AAC"),
    ],
    ids=["mp3", "vp9"],
)
def test_page_takes_the_way_in_which_picture_and_sound_play(
    codecs: tuple[str, ...],
    way: str,
    names: str,
    server: Server,
    peers: Peers,
    new_ffmpeg: str,
    tmp_path: Path,
    open_tab: OpenTab,
) -> None:
    clip = media.make(new_ffmpeg, tmp_path / "a.flv", *media.picture(2), *media.tone(2), *codecs)
    peers.publish(clip, server.url("live/a"), ffmpeg=new_ffmpeg, is_endless=True)
    server.wait_media("live/a")
    tab = open_tab(watch(server))
    assert_plays(tab)
    assert tab.ask("headend.way") == way
    tab.wait("document.getElementById('video').webkitAudioDecodedByteCount > 0")
    tab.wait_text(names)
    assert "without the" not in tab.ask("document.body.innerText")


def test_page_says_what_the_browser_does_not_play_in_the_chosen_way(
    server: Server, peers: Peers, ffmpeg: str, tmp_path: Path, open_tab: OpenTab
) -> None:
    options = (*media.picture(2), *media.tone(2), *media.H264, "-c:a", "libmp3lame")
    peers.publish(
        media.make(ffmpeg, tmp_path / "a.flv", *options), server.url("live/a"), is_endless=True
    )
    server.wait_media("live/a")
    tab = open_tab()
    # Chromium takes no MP3 out of MP4; other browsers do.
    tab.page.add_init_script("""
        const asked = MediaSource.isTypeSupported;
        MediaSource.isTypeSupported = (type) => type !== 'audio/mp4; codecs="mp3"' && asked(type);
    """)
    tab.page.goto(f"{watch(server)}?mode=hls")
    tab.wait_text("This browser does not play MP3 over HLS.")


def test_viewer_chooses_how_to_play(on_air: Server, open_tab: OpenTab) -> None:
    tab = open_tab(watch(on_air))
    assert_plays(tab)
    tab.page.get_by_role("button", name="Settings").click()
    tab.page.get_by_label("Way of playing").select_option("HLS")
    tab.wait("headend.way === 'HLS'")
    assert_plays(tab)


def test_token_goes_with_every_request(on_air: Server, open_tab: OpenTab) -> None:
    for mode in ("flv", "hls"):
        tab = open_tab(f"{watch(on_air)}?token=a%26b&mode={mode}")
        assert_plays(tab)
        media = [url for url in tab.asked if "/live/a" in url.partition("?")[0]]
        assert media
        assert [url for url in media if "token=a%26b" not in url] == []


DOORMAN = """
import headend
from headend.hooks import Allow, Deny

@headend.on_play
def check(request):
    shown = request.query.get("user"), request.query.get("pw")
    return Allow() if shown == ("u&1", "good") else Deny("log in")
"""


@pytest.mark.parametrize("mode", ["flv", "hls"])
def test_page_passes_on_what_a_hook_asks_for(
    mode: str,
    start_server: StartServer,
    peers: Peers,
    clip: Path,
    open_tab: OpenTab,
    tmp_path: Path,
) -> None:
    (tmp_path / "doorman.py").write_text(DOORMAN)
    file = tmp_path / "headend.toml"
    file.write_text('hooks = "doorman"\n')
    server = start_server(arguments=("--config", str(file)))
    peers.publish(clip, server.url("live/a"), is_endless=True)
    server.wait_media("live/a")
    tab = open_tab(f"{watch(server)}?user=u%261&pw=bad")
    tab.wait_text("This stream is private")
    tab = open_tab(f"{watch(server)}?user=u%261&mode={mode}&pw=good")
    assert_plays(tab)
    media = [url for url in tab.asked if "/live/a" in url.partition("?")[0]]
    assert [url for url in media if "mode=" in url and "/watch/" not in url] == []
    if mode == "hls":
        segments = [url for url in media if ".m4s" in url]
        assert segments
        assert [url for url in segments if "_ticket=" not in url or "good" in url] == []


PRIVATE = "This stream is private"


def has_played(tab: Tab) -> bool:
    """Wait until a private stream plays; false: the page says instead that it is private."""
    wait_for(
        lambda: tab.ask("headend.currentTime > 0.3") or PRIVATE in tab.page.inner_text("body"),
        "a stream that plays, or a page that says why not",
    )
    return bool(tab.ask("headend.currentTime > 0.3"))


@pytest.mark.parametrize("mode", ["flv", "hls"])
def test_private_stream_is_shown_with_a_token_until_it_expires(
    mode: str, start_server: StartServer, peers: Peers, clip: Path, open_tab: OpenTab
) -> None:
    server = start_server("auth.private=vip/*")
    peers.publish(clip, server.url("vip/a"), is_endless=True)
    server.wait_media("vip/a")
    for query in ("", "?token=wrong"):
        tab = open_tab(watch(server, "vip/a") + query)
        tab.wait_text(PRIVATE)
    tab.page.get_by_label("Token").fill(server.sign("vip/*", expires_s=600))
    tab.page.get_by_role("button", name="Watch").click()
    assert_plays(tab)
    tab.page.reload()
    assert_plays(tab)
    for life_s in (4, 12, 40):  # a page that starts slowly finds its token expired
        token = server.sign("vip/*", expires_s=life_s)
        tab = open_tab(f"{watch(server, 'vip/a')}?mode={mode}&token={token}")
        if has_played(tab):
            break
    else:
        pytest.fail("no page played before its token expired")
    tab.wait_text(PRIVATE)


def test_page_says_that_no_stream_can_have_such_a_name(on_air: Server, open_tab: OpenTab) -> None:
    tab = open_tab(watch(on_air, "live/%3Cscript%3Ewindow.x=1%3C%2Fscript%3E"))
    tab.wait_text("There is no such stream")
    assert tab.ask("window.x === undefined && document.scripts.length") == 1


@pytest.mark.parametrize("name", ["a'b & c", "{{state}}", "${x}`", "ünï 日本 \U0001f3a5", "%41"])
def test_name_is_shown_as_it_is(name: str, on_air: Server, open_tab: OpenTab) -> None:
    tab = open_tab(watch(on_air, f"live/{quote(name)}"))
    tab.wait_text(f"live/{name}")
    tab.wait_text("This stream is offline")
    assert tab.page.title() == f"live/{name} · Headend"


def test_snippet_shows_the_player_on_another_page(
    on_air: Server, open_tab: OpenTab, serve_page: Callable[[str], str]
) -> None:
    snippet = open_tab(f"{watch(on_air)}?token=secret").page.input_value("#snippet")
    assert "secret" not in snippet
    tab = open_tab(serve_page(snippet))
    element = tab.page.wait_for_selector("iframe")
    assert element is not None
    frame = element.content_frame()
    assert frame is not None
    wait_for(
        lambda: frame.evaluate("window.headend?.state === 'playing' && headend.currentTime > 0"),
        "playing in the frame",
    )
    assert frame.is_hidden("#below")


def test_keys_work_the_player(on_air: Server, open_tab: OpenTab) -> None:
    tab = open_tab(watch(on_air))
    assert_plays(tab)
    assert tab.ask("video.muted")
    tab.page.keyboard.press("m")
    tab.wait("!video.muted")
    tab.page.keyboard.press("k")
    tab.wait("video.paused")
    tab.page.keyboard.press(" ")
    tab.wait("!video.paused")
    assert_plays(tab)


def test_hls_is_near_the_live_edge_again_after_a_stall(on_air: Server, open_tab: OpenTab) -> None:
    tab = open_tab(f"{watch(on_air)}?mode=hls")
    assert_plays(tab)
    tab.wait("video.currentTime - video.buffered.start(0) > 8")
    tab.ask("video.currentTime -= 7")
    tab.wait("!video.seeking && headend.latency > 6")
    tab.ask("['waiting', 'playing'].forEach((name) => video.dispatchEvent(new Event(name)))")
    tab.wait("headend.latency < 4", 10)  # playing faster it would take longer
    assert_plays(tab)


def test_hls_that_has_fallen_far_behind_goes_to_the_live_edge_by_itself(
    on_air: Server, open_tab: OpenTab
) -> None:
    tab = open_tab(f"{watch(on_air)}?mode=hls")
    assert_plays(tab)
    tab.wait("video.currentTime - video.buffered.start(0) > 12")
    tab.ask("video.currentTime -= 11")
    tab.wait("!video.seeking && headend.latency > 9")
    tab.wait("headend.latency < 4")
    assert_plays(tab)


def test_low_latency_hls_plays_on_while_the_browser_is_slow_to_remove(
    server: Server, peers: Peers, ffmpeg: str, tmp_path: Path, open_tab: OpenTab
) -> None:
    rate = "testsrc=size=160x96:rate=30000/1001:duration=30"
    options = ("-f", "lavfi", "-i", rate, *media.tone(30), *media.H264, *media.AAC)
    clip = tmp_path / "clip.flv"
    command = (ffmpeg, "-v", "error", *options, "-g", "60", str(clip))
    subprocess.run(command, check=True, stdin=subprocess.DEVNULL, timeout=60)
    peers.publish(clip, server.url("live/a"), is_endless=True)
    server.wait_media("live/a")
    tab = open_tab()
    # A removal that ends between a part's load and its append has hls.js forget the parts.
    tab.page.add_init_script("""
        window.removals = 0;
        const remove = SourceBuffer.prototype.remove;
        SourceBuffer.prototype.remove = function (...range) {
          window.removals += 1;
          setTimeout(() => remove.apply(this, range), 30);
        };
    """)
    tab.page.goto(f"{watch(server)}?mode=hls")
    assert_plays(tab)
    assert tab.ask("headend.way") == "HLS"
    tab.wait("video.currentTime - video.buffered.start(0) > 25", 90)
    assert tab.ask("window.removals") == 0
    assert tab.ask("headend.stalled") < 3  # seconds; one such stall takes as long


BREAKING = """
    const append = SourceBuffer.prototype.appendBuffer;
    window.broken = 0;
    SourceBuffer.prototype.appendBuffer = function (data) {
      if (!window.breaks) return append.call(this, data);
      window.breaks -= 1;
      window.broken += 1;
      %s
    };
"""


@pytest.mark.parametrize(
    "fault",
    [
        "throw new DOMException('as if the source had ended', 'InvalidStateError');",
        "return append.call(this, new Uint8Array(200).fill(7));",  # no MP4
    ],
    ids=["refused", "garbled"],
)
def test_hls_whose_media_the_browser_refuses_is_opened_anew(
    fault: str, on_air: Server, open_tab: OpenTab
) -> None:
    tab = open_tab()
    tab.page.add_init_script(BREAKING % fault)
    tab.page.goto(f"{watch(on_air)}?mode=hls")
    assert_plays(tab)
    for number in (1, 2):
        tab.ask(f"window.breaks = {number}")
        tab.wait("window.breaks === 0")
        tab.wait("!video.error && video.readyState > 2 && headend.latency < 4")
        assert_plays(tab)
    assert tab.ask("headend.switches") == 0


def test_hls_that_the_browser_never_takes_gives_way_to_another_way(
    on_air: Server, open_tab: OpenTab
) -> None:
    tab = open_tab()
    tab.page.add_init_script(BREAKING % "throw new DOMException('never', 'InvalidStateError');")
    tab.page.add_init_script("window.breaks = 1e9")
    tab.page.goto(f"{watch(on_air)}?mode=hls")
    tab.wait("headend.switches > 0")


def test_picture_starts_with_a_touch_where_the_browser_wants_one(
    on_air: Server, open_tab: OpenTab
) -> None:
    tab = open_tab()
    tab.page.add_init_script("""
        let isTouched = false;
        addEventListener('click', () => (isTouched = true), { capture: true });
        const play = HTMLMediaElement.prototype.play;
        HTMLMediaElement.prototype.play = async function () {
          if (!isTouched) throw new DOMException('', 'NotAllowedError');
          return play.call(this);
        };
    """)
    tab.page.goto(watch(on_air))
    button = tab.page.locator("#big-play")
    button.wait_for()
    assert tab.ask("video.paused")
    # Media that begin at another time than 0 make an engine seek, which is not playing.
    tab.ask("video.currentTime += 0.1")
    tab.wait("!video.seeking")
    tab.page.wait_for_timeout(SEVERAL_LOOKS_MS)
    button.click()
    assert_plays(tab)
    assert button.is_hidden()


def test_page_says_that_the_server_is_gone_and_plays_when_it_is_back(
    start_server: StartServer, peers: Peers, clip: Path, open_tab: OpenTab
) -> None:
    server = start_server()
    tab = open_tab(watch(server))
    tab.wait_text("This stream is offline")
    address = server.http[0]
    server.stop()
    tab.wait_text("The server cannot be reached")
    server = start_server(arguments=("--http", address))
    tab.wait_text("This stream is offline")
    peers.publish(clip, server.url("live/a"), is_endless=True)
    assert_plays(tab)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_player_page_is_accessible(scheme: str, on_air: Server, open_tab: OpenTab) -> None:
    for path, state in (("live/a", "playing"), ("live/nobody", "offline"), ("vip/a", "private")):
        tab = open_tab(watch(on_air, path), color_scheme=scheme)
        tab.wait(f"headend.state === '{state}'")
        tab.page.click("summary")
        if state == "playing":
            tab.page.get_by_role("button", name="Settings").click()
        assert tab.check() == []

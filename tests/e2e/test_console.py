"""Tests of the console in Chromium."""

import signal
from pathlib import Path

import pytest
from playwright.sync_api import Route, expect
from tests.e2e import media
from tests.e2e.browser import OpenTab, Tab
from tests.e2e.conftest import StartServer
from tests.e2e.peers import Peers
from tests.e2e.server import Server
from tests.e2e.wait import wait_for

pytestmark = pytest.mark.e2e

WEB = Path(__file__).parents[2] / "src/headend/web"


def signed_in(server: Server, open_tab: OpenTab, **options: object) -> Tab:
    """Open the console and sign in."""
    tab = open_tab(f"http://{server.http[0]}/console", **options)
    sign_in(tab, server)
    return tab


def sign_in(tab: Tab, server: Server) -> None:
    """Sign in at the console that is open."""
    tab.page.get_by_label("Admin token").fill(server.token)
    tab.page.get_by_role("button", name="Sign in").click()
    tab.wait_text("Up to date")


def go(tab: Tab, section: str) -> None:
    """Choose a section."""
    tab.page.get_by_role("link", name=section, exact=True).first.click()
    expect(tab.page.get_by_role("heading", name=section, level=1)).to_be_visible()


def test_wrong_token_is_refused_and_says_where_the_right_one_is(
    server: Server, open_tab: OpenTab
) -> None:
    tab = open_tab(f"http://{server.http[0]}/console")
    tab.page.get_by_label("Admin token").fill("wrong")
    tab.page.keyboard.press("Enter")
    tab.wait_text("The admin token is not right")
    assert tab.page.is_hidden("#shell")


def test_browser_stays_signed_in_until_it_signs_out(server: Server, open_tab: OpenTab) -> None:
    tab = signed_in(server, open_tab)
    assert server.token not in tab.ask("document.cookie + JSON.stringify(localStorage)")
    tab.page.reload()
    tab.wait_text("Up to date")
    tab.page.get_by_role("button", name="Sign out").click()
    expect(tab.page.get_by_label("Admin token")).to_be_visible()
    tab.page.reload()
    expect(tab.page.get_by_label("Admin token")).to_be_visible()


def test_stream_is_shown_while_it_is_live(
    server: Server, peers: Peers, clip: Path, open_tab: OpenTab
) -> None:
    tab = signed_in(server, open_tab)
    tab.wait_text("Nothing is live.")
    publisher = peers.publish(clip, server.url("live/a&b"), is_endless=True)
    card = tab.page.get_by_role("listitem").filter(has_text="live/a&b").first
    expect(card).to_contain_text("H.264")
    expect(card).to_contain_text("160 × 96")
    expect(card).to_contain_text("every 0.4 s")
    expect(card.get_by_role("img", name="Bit rate, last two minutes")).to_be_visible()
    wait_for(
        lambda: tab.ask("document.querySelector('.thumb img').naturalWidth"), "the newest picture"
    )
    assert [url for url, status in tab.answers if "/api/v1/rates/" in url and status != 200] == []
    assert any("/api/v1/rates/live/a%26b" in url for url, _ in tab.answers)
    publisher.send(signal.SIGINT)
    tab.wait_text("Nothing is live.")


def test_streams_are_a_table_that_is_sorted_and_filtered(
    server: Server, peers: Peers, clip: Path, open_tab: OpenTab
) -> None:
    for name in ("b", "a"):
        peers.publish(clip, server.url(f"live/{name}"), is_endless=True)
        server.wait_media(f"live/{name}")
    tab = signed_in(server, open_tab)
    tab.page.get_by_role("button", name="Table", exact=True).click()
    table = tab.page.get_by_role("table", name="Streams")
    rows = table.locator("tbody tr")
    expect(rows).to_have_count(2)
    expect(rows.first).to_contain_text("live/a")
    table.get_by_role("button", name="Stream", exact=True).click()
    expect(rows.first).to_contain_text("live/b")
    expect(table.get_by_role("columnheader", name="Stream", exact=True)).to_have_attribute(
        "aria-sort", "descending"
    )
    assert tab.check() == []
    tab.page.get_by_label("Filter").first.fill("IVE/A")
    expect(rows).to_have_count(1)
    tab.page.reload()
    expect(rows).to_have_count(2)  # the choice is kept
    rows.get_by_role("link", name="live/b", exact=True).click()
    cards = tab.page.locator("#section-streams .card")
    expect(cards).to_have_count(1)
    expect(cards).to_contain_text("live/b")
    tab.page.get_by_role("link", name="All streams").click()
    tab.page.get_by_role("button", name="Cards").click()
    expect(cards).to_have_count(2)


def test_publisher_is_kicked_after_a_question(
    server: Server, peers: Peers, clip: Path, open_tab: OpenTab
) -> None:
    publisher = peers.publish(clip, server.url("live/a"), is_endless=True)
    server.wait_media("live/a")
    tab = signed_in(server, open_tab)
    go(tab, "Sessions")
    row = tab.page.get_by_role("row").filter(has_text="publishes live/a")
    row.get_by_role("button").click()
    dialog = tab.page.get_by_role("dialog", name="Close this session?")
    expect(dialog.get_by_role("button", name="Cancel")).to_be_focused()
    tab.page.keyboard.press("Escape")
    expect(dialog).to_be_hidden()
    assert publisher.is_running
    row.get_by_role("button").click()
    dialog.get_by_role("button", name="Close session").click()
    publisher.wait()
    expect(row).to_have_count(0)


def test_stream_is_ended_after_a_question(
    server: Server, peers: Peers, clip: Path, open_tab: OpenTab
) -> None:
    publisher = peers.publish(clip, server.url("live/a"), is_endless=True)
    tab = signed_in(server, open_tab)
    tab.page.get_by_role("button", name="End stream live/a").click()
    dialog = tab.page.get_by_role("dialog")
    assert tab.check() == []
    dialog.get_by_label("Keep the encoder away").select_option("For an hour")
    dialog.get_by_role("button", name="End stream").click()
    publisher.wait()
    tab.wait_text("Nothing is live.")
    refused = peers.publish(clip, server.url("live/a"))
    assert refused.wait() != 0
    assert "live/a" not in server.streams()
    tab.page.get_by_role("button", name="Lift the bar of live/a").click()
    tab.wait_text("may be published again")
    peers.publish(clip, server.url("live/a"), is_endless=True)
    server.wait_media("live/a")


def test_sessions_are_filtered(server: Server, peers: Peers, clip: Path, open_tab: OpenTab) -> None:
    for name in ("one", "two"):
        peers.publish(clip, server.url(f"live/{name}"), is_endless=True)
        server.wait_media(f"live/{name}")
    tab = signed_in(server, open_tab)
    card = tab.page.get_by_role("listitem").filter(has_text="live/two").first
    card.get_by_role("link", name="Sessions").click()
    expect(tab.page.locator("#session-filter")).to_have_value("live/two")
    rows = tab.page.locator("#section-sessions tbody tr")
    expect(rows).to_have_count(1)
    expect(rows).to_contain_text("publishes live/two")


def test_server_and_settings_are_shown(server: Server, open_tab: OpenTab) -> None:
    tab = signed_in(server, open_tab)
    go(tab, "Server")
    tab.wait_text(server.rtmp[0])
    tab.page.get_by_role("button", name="Read settings and certificates again").click()
    tab.wait_text("settings reloaded: nothing changed")
    tab.page.get_by_role("button", name="Done").click()
    go(tab, "Settings")
    tab.page.get_by_label("Only those that were set").check()
    rows = tab.page.locator("#section-settings tbody tr")
    expect(rows.filter(has_text="rtmp.listen")).to_contain_text("flag --rtmp")
    expect(rows.filter(has_text="live.wait_s")).to_have_count(0)


def test_setting_is_changed_in_the_file(
    start_server: StartServer, open_tab: OpenTab, tmp_path: Path
) -> None:
    file = tmp_path / "headend.toml"
    file.write_text("# Kept.\n[live]\nwait_s = 7\n")
    server = start_server(arguments=("-c", str(file)))
    tab = signed_in(server, open_tab)
    go(tab, "Settings")
    tab.page.get_by_label("Filter").last.fill("live.")
    dialog = tab.page.get_by_role("dialog")
    tab.page.get_by_role("button", name="Change live.wait_s").click()
    dialog.get_by_label("Value").fill("-1")
    dialog.get_by_role("button", name="Save").click()
    expect(dialog.get_by_role("alert")).to_contain_text("must be a number from 0", timeout=60_000)
    assert tab.check() == []
    dialog.get_by_label("Value").fill("20")
    dialog.get_by_role("button", name="Save").click()
    tab.wait_text("settings reloaded: live.wait_s")
    assert file.read_text() == "# Kept.\n[live]\nwait_s = 20\n"
    tab.page.get_by_label("Filter").last.fill("rtmp.")
    expect(tab.page.get_by_role("button", name="Change rtmp.listen")).to_have_count(0)  # a flag
    tab.page.get_by_role("button", name="Change rtmp.tls_only").click()
    dialog.get_by_label("Value").fill("vip/*\nsafe/*")
    dialog.get_by_role("button", name="Save").click()
    wait_for(lambda: 'tls_only = ["vip/*", "safe/*"]' in file.read_text(), "the list in the file")
    tab.page.get_by_role("button", name="Change rtmp.chunk_size").click()
    dialog.get_by_label("Value").fill("4096")
    dialog.get_by_role("button", name="Save").click()
    tab.wait_text("A restart is needed for: rtmp.chunk_size.")


def test_nodes_show_who_publishes_what(
    server: Server, peers: Peers, clip: Path, open_tab: OpenTab
) -> None:
    peers.publish(clip, server.url("live/a"), is_endless=True)
    server.wait_media("live/a")
    tab = signed_in(server, open_tab)
    go(tab, "Nodes")
    node = tab.page.locator("#section-nodes .cards > li")
    expect(node).to_contain_text("Serving", timeout=60_000)
    expect(node).to_contain_text("This server")
    expect(node.get_by_role("link", name="live/a", exact=True)).to_be_visible(timeout=60_000)


def test_server_is_drained_where_the_api_offers_it(server: Server, open_tab: OpenTab) -> None:
    state = {"state": "serving", "left_s": None, "publishers": 2, "players": 1}

    def answer(route: Route) -> None:
        is_begun = route.request.method == "POST"
        if route.request.method != "GET":
            state.update(state="draining" if is_begun else "serving", left_s=90)
        route.fulfill(json=state)

    tab = open_tab(f"http://{server.http[0]}/console")
    tab.page.route("**/api/openapi.json", lambda route: offer(route, "/api/v1/drain"))
    tab.page.route("**/api/v1/drain", answer)
    sign_in(tab, server)
    go(tab, "Nodes")
    tab.page.get_by_role("button", name="Drain this server").click()
    tab.page.get_by_role("dialog").get_by_role("button", name="Drain").click()
    tab.wait_text("2 publishers and 1 player left; it stops in 1 min at the latest.")
    assert tab.check() == []
    tab.page.get_by_role("button", name="Call the drain off").click()
    expect(tab.page.get_by_role("button", name="Drain this server")).to_be_visible()


def offer(route: Route, path: str) -> None:
    """Answer with the API's document, and one operation more."""
    document = route.fetch().json()
    document["paths"].setdefault(path, {})
    route.fulfill(json=document)


def test_relay_is_added_and_removed(server: Server, open_tab: OpenTab) -> None:
    tab = signed_in(server, open_tab)
    go(tab, "Relays")
    tab.wait_text("There is no relay.")
    tab.page.get_by_role("button", name="Add a relay").click()
    dialog = tab.page.get_by_role("dialog", name="Add a relay")
    dialog.get_by_role("button", name="Add").click()
    expect(dialog).to_be_visible()  # what is needed is missing
    dialog.get_by_label("Platform").select_option("Twitch")
    assert "live-video.net" in dialog.get_by_label("Address").input_value()
    dialog.get_by_label("Platform").select_option("Another server")
    dialog.get_by_label("Streams").fill("live/<b>*</b>")
    dialog.get_by_label("Address").fill("rtmp://127.0.0.1:1/{app}")
    dialog.get_by_label("Stream key").fill("verysecret")
    dialog.get_by_role("button", name="Add").click()
    card = tab.page.get_by_role("listitem").filter(has_text="live/<b>*</b>")
    expect(card).to_contain_text("with a stream key")
    assert "verysecret" not in tab.page.content()
    card.get_by_role("button", name="Remove").click()
    tab.page.get_by_role("dialog").get_by_role("button", name="Remove").click()
    tab.wait_text("There is no relay.")


def test_publish_key_is_made_and_revoked_and_shown_once(
    start_server: StartServer, peers: Peers, clip: Path, open_tab: OpenTab
) -> None:
    server = start_server("auth.publish=key")
    tab = signed_in(server, open_tab)
    go(tab, "Keys")
    tab.wait_text("There is no publish key yet.")
    tab.page.get_by_role("button", name="Make a key").click()
    dialog = tab.page.get_by_role("dialog")
    dialog.get_by_label("Stream").fill("live/a")
    dialog.get_by_label("Label").fill("<i>Anna</i>")
    dialog.get_by_role("button", name="Make").click()
    key = dialog.get_by_label("Stream key of live/a", exact=True).input_value()
    expect(dialog.get_by_label("Protocol").locator("option")).to_have_text(["RTMP"])
    place = dialog.get_by_label("Server", exact=True).input_value()
    if (WEB / "libraries" / "uqr.mjs").exists():
        expect(dialog.get_by_role("img", name="QR code of the address over RTMP")).to_be_visible()
    assert tab.check() == []
    publisher = peers.publish(clip, f"{place}/{key}", is_endless=True)  # as OBS does
    server.wait_media("live/a")
    dialog.get_by_role("button", name="Done").click()
    rows = tab.page.locator("#section-keys tbody tr")
    expect(rows).to_contain_text("<i>Anna</i>")
    rows.get_by_role("button", name="Revoke").click()
    dialog.get_by_role("button", name="Revoke").click()
    expect(rows).to_contain_text("Revoked")
    publisher.wait()
    tab.page.reload()
    expect(rows).to_contain_text("Revoked")
    assert key not in tab.page.content()


def test_token_is_signed_and_opens_the_player(
    start_server: StartServer, peers: Peers, clip: Path, open_tab: OpenTab
) -> None:
    server = start_server("auth.private=vip/*")
    peers.publish(clip, server.url("vip/a"), is_endless=True)
    server.wait_media("vip/a")
    tab = signed_in(server, open_tab)
    go(tab, "Keys")
    tab.page.get_by_role("button", name="Sign a token").click()
    dialog = tab.page.get_by_role("dialog")
    dialog.get_by_label("Streams").fill("vip/a")
    dialog.get_by_role("button", name="Sign").click()
    page = dialog.get_by_label("Player page", exact=True).input_value()
    viewer = open_tab(page)
    viewer.wait("window.headend?.state === 'playing'")


def test_history_tells_who_published_and_what_was_refused(
    start_server: StartServer, peers: Peers, clip: Path, open_tab: OpenTab
) -> None:
    server = start_server('stream=[{match="shut/*", auth.publish="key"}]')
    peers.publish(clip, server.url("live/a"), is_endless=True)
    server.wait_media("live/a")
    peers.publish(clip, server.url("shut/a"))
    tab = signed_in(server, open_tab)
    go(tab, "History")
    section = tab.page.locator("#section-history")

    def look() -> bool:
        section.get_by_role("button", name="Refresh").click()
        return all(each in section.inner_text() for each in ("live/a", "shut/a"))

    wait_for(look, "both publishers in the history")
    section.get_by_label("Outcome").select_option("Refused")
    expect(section.locator("tbody tr")).to_have_count(1)
    expect(section.locator("tbody tr")).to_contain_text("publish key")


def test_operator_watches_a_private_stream(
    start_server: StartServer, peers: Peers, clip: Path, open_tab: OpenTab
) -> None:
    server = start_server("auth.private=vip/*")
    peers.publish(clip, server.url("vip/[a]"), is_endless=True)
    tab = signed_in(server, open_tab)
    tab.page.get_by_role("link", name="Watch", exact=True).click()
    tab.page.wait_for_url("**/watch/vip/**")
    tab.wait("window.headend?.state === 'playing' && headend.currentTime > 0")


def test_stream_is_recorded_ended_played_and_deleted(
    start_server: StartServer, peers: Peers, clip: Path, open_tab: OpenTab, tmp_path: Path
) -> None:
    store = f"record.store=file://{tmp_path}/store"
    server = start_server("auth.private=live/*", "record.min_free_bytes=0", store)
    peers.publish(clip, server.url("live/a"), is_endless=True)
    server.wait_media("live/a")
    tab = signed_in(server, open_tab)
    go(tab, "Recordings")
    section = tab.page.locator("#section-recordings")
    expect(section).to_contain_text("Nothing of this kind was recorded.")
    dialog = tab.page.locator("#dialog")

    def record() -> bool:
        section.get_by_role("button", name="Record a stream").click()
        dialog.get_by_label("Stream").fill("live/a")
        dialog.get_by_role("button", name="Record").click()
        expect(tab.page.locator("#toast")).to_be_visible()
        return "is recorded" in tab.page.locator("#toast").inner_text()

    wait_for(record, "a recording")  # what packages may have to be loaded first
    row = section.locator("tbody tr")
    expect(row).to_contain_text("Recording")
    wait_for(lambda: "0:00" not in row.inner_text(), "some media")
    row.get_by_role("button", name="End the recording").click()
    dialog.get_by_role("button", name="End").click()
    expect(row).to_contain_text("Ready")
    expect(row).to_contain_text("in the store")
    expect(tab.page.locator("#recordings-disk")).to_contain_text("All recordings take")
    with tab.page.expect_download() as waiting:
        row.get_by_role("link", name="Download").click()
    file = tmp_path / "saved.mp4"
    waiting.value.save_as(file)
    assert set(media.frames(file)) == {"video0", "audio0"}
    row.get_by_role("button", name="Clip").click()
    dialog.get_by_label("To").fill("0.1")
    dialog.get_by_role("button", name="Cut").click()
    expect(row).to_have_count(2)
    row.first.get_by_role("button", name="Delete").click()
    dialog.get_by_role("button", name="Delete").click()
    expect(row).to_have_count(1)
    section.get_by_label("Stream", exact=True).fill("vip/*")
    section.get_by_label("Stream", exact=True).press("Tab")
    expect(row).to_have_count(0)
    section.get_by_label("Stream", exact=True).fill("live/*")
    section.get_by_label("Stream", exact=True).press("Tab")
    row.get_by_role("link", name="Play").click()
    tab.page.wait_for_url("**/watch/recordings/**")
    tab.ask("(video.muted = true, video.play())")
    tab.wait("video.currentTime > 0.2")
    tab.page.go_back()
    row.get_by_role("button", name="Delete").click()
    dialog.get_by_role("button", name="Delete").click()
    expect(section).to_contain_text("Nothing of this kind was recorded.")


def test_what_was_done_is_in_the_audit_trail(server: Server, open_tab: OpenTab) -> None:
    tab = signed_in(server, open_tab)
    wait_for(lambda: "sign-in" in server.get("/api/v1/audit", server.token)[1], "the trail")
    go(tab, "Audit")
    row = tab.page.locator("#section-audit tbody tr").filter(has_text="sign-in")
    expect(row).to_contain_text("console")
    tab.page.locator("#audit-outcome").select_option("Failed")
    expect(row).to_have_count(0)


def test_console_says_that_the_server_is_gone(server: Server, open_tab: OpenTab) -> None:
    tab = signed_in(server, open_tab)
    server.stop()
    tab.wait_text("No connection; trying again")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_section_is_accessible(
    scheme: str, start_server: StartServer, peers: Peers, clip: Path, open_tab: OpenTab
) -> None:
    server = start_server(arguments=("--tls", "127.0.0.1:0"))
    peers.publish(clip, server.url("live/a"), is_endless=True)
    server.wait_media("live/a")
    tab = open_tab(f"http://{server.http[0]}/console", color_scheme=scheme)
    expect(tab.page.get_by_label("Admin token")).to_be_visible()
    assert tab.check() == []
    tab = signed_in(server, open_tab, color_scheme=scheme)
    for link in tab.page.get_by_role("navigation").get_by_role("link").all():
        link.click()
        expect(link).to_have_attribute("aria-current", "page")
        assert tab.check() == [], link.inner_text()
        tab.page.set_viewport_size({"width": 390, "height": 844})
        assert tab.ask("document.documentElement.scrollWidth <= innerWidth"), link.inner_text()
        tab.page.set_viewport_size({"width": 1280, "height": 860})

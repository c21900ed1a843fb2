"""Tests of what one viewer is granted over HTTP, beside others at the same address.

A backend is asked about everybody (`auth.callback_url`), and viewers play HLS as players do: from
the multivariant playlist down, by the addresses in it.
"""

import asyncio
import re
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urljoin

import pytest
from aiohttp import web as http
from tests.harness import until
from tests.receiver import Received, Receiver, receiver
from tests.shows import SHOWN, addresses, show
from tests.web import Answer, Web, serve

from headend import events
from headend.access.known_viewers import AWAY_S
from headend.access.tokens import Token
from headend.decisions import AccessRequest, Allow, Decision, Deny
from headend.hls.streams import HlsStreams

GOOD, WRONG, NONE = "?user=u1&pw=good", "?user=u1&pw=bad", ""
OTHER = "?user=u2&pw=good"
PLAYLIST = "/live/a/index.m3u8"
PICTURE = "/live/a/thumbnail.jpg"
JSON = {"Accept": "application/json"}


def judge(received: Received) -> http.Response:
    """Let in who shows a right password, and say who it is."""
    query = received.document["data"]["query"]
    if query.get("pw") != "good":
        return http.json_response({"decision": "deny", "reason": "log in"})
    return http.json_response({"decision": "allow", "subject": query["user"]})


class Backed(Web):
    """A server with a backend that decides.

    Attributes:
        backend: The receiver.
        started: Sessions that began.
    """

    backend: Receiver
    started: list[events.SessionStarted]

    @property
    def asked(self) -> list[dict[str, Any]]:
        """What the backend was shown of viewers: their parameters."""
        data = [each.document["data"] for each in self.backend.received]
        return [each["query"] for each in data if each["action"] == "play"]

    async def follow(self, query: str, **options: Any) -> dict[str, Answer]:
        """Play: get the playlists, and all that the second one names; return it by address."""
        address = PLAYLIST + query
        got = {address: await self.ask("GET", address, **options)}
        for _ in range(2):
            playlist = got[address]
            if playlist.status != 200:
                break
            children = [urljoin(address, each) for each in addresses(playlist.body)]
            for address in dict.fromkeys(children):
                if "PRELOAD" in playlist.body.decode() and address == children[-1]:
                    continue  # the part that comes next: it would be waited for
                got[address] = await self.ask("GET", address, **options)
            address = children[0]
        return got


@asynccontextmanager
async def backed(data: Path, *settings: str) -> AsyncIterator[Backed]:
    async with receiver() as backend:
        backend.answer = judge
        callback = (f"auth.callback_url={backend.url}", "auth.callback_credentials=true")
        only = ("auth.callback_actions=play", *SHOWN)
        async with serve(data, *callback, *only, *settings) as web:
            made = Backed(web.live, web.client, web.token)
            made.backend, made.started = backend, []

            def note(event: events.Event) -> None:
                if isinstance(event, events.SessionStarted) and event.action == "play":
                    made.started.append(event)

            web.live.services.events.subscribe(note)
            yield made


def statuses(got: dict[str, Answer]) -> set[int]:
    return {answer.status for answer in got.values()}


async def test_viewer_plays_down_to_the_segments_and_is_asked_about_once(tmp_path: Path) -> None:
    async with backed(tmp_path) as web:
        await show(web)
        got = await web.follow(GOOD)
        assert statuses(got) == {200}
        assert {name.partition("?")[0].rpartition(".")[2] for name in got} == {
            "m3u8", "mp4", "m4s",
        }  # fmt: skip
        assert web.asked == [{"user": "u1", "pw": "good"}]
        assert [each.subject for each in web.started] == ["u1"]


@pytest.mark.parametrize("query", [WRONG, NONE, "?user=u1", "?user=u2&pw=bad&pw=good"])
async def test_who_shows_something_else_at_the_same_address_is_asked_about(
    query: str, tmp_path: Path
) -> None:
    async with backed(tmp_path) as web:
        await show(web)
        assert statuses(await web.follow(GOOD)) == {200}
        asked = len(web.asked)
        for path in (PLAYLIST, PICTURE, "/live/a.flv"):
            assert (await web.ask("GET", path + query)).status == 403, path
        page = await web.ask("GET", f"/watch/live/a{query}", headers=JSON)
        assert page.json["state"] == "private"
        assert len(web.asked) == asked + 4
        assert {each.subject for each in web.started} == {"u1"}


async def test_viewers_at_one_address_are_booked_as_who_they_are(tmp_path: Path) -> None:
    async with backed(tmp_path) as web:
        await show(web)
        for query in (GOOD, OTHER, GOOD, OTHER):
            assert statuses(await web.follow(query)) == {200}
        assert [each.subject for each in web.started] == ["u1", "u2"]
        hls = web.live.services.features[HlsStreams]
        packaged = hls.find("live/a")
        assert packaged is not None
        assert len(packaged.audience) == 2


async def test_whatever_else_differs_is_asked_about_too(tmp_path: Path) -> None:
    async with backed(tmp_path, "http.proxies=127.0.0.1") as web:
        await show(web)
        first = {"User-Agent": "one", "X-Forwarded-For": "198.51.100.1"}
        for changed in (
            {},
            {"User-Agent": "two"},
            {"X-Forwarded-For": "198.51.100.2"},
            {"X-Forwarded-Proto": "https"},
            {"Authorization": "Bearer ey.other"},
        ):
            for _ in range(2):
                answer = await web.ask("GET", PLAYLIST + GOOD, headers=first | changed)
                assert answer.status == 200
        assert len(web.asked) == 5


async def test_backend_is_asked_again_after_a_while_and_may_change_its_mind(tmp_path: Path) -> None:
    async with backed(tmp_path) as web:
        await show(web)
        got = list(await web.follow(GOOD))
        grow_old(web)
        assert (await web.ask("GET", got[-1])).status == 200
        assert web.asked == 2 * [{"user": "u1", "pw": "good"}]  # what the ticket stands for
        web.backend.answer = lambda _: http.Response(status=403)
        assert (await web.ask("GET", got[-1])).status == 200
        grow_old(web)
        for address in got:
            assert (await web.ask("GET", address)).status == 403


def grow_old(web: Web) -> None:
    """Have answers that are remembered asked for again."""
    for known in web.live.services.gate._known._known.values():
        known.until = 0.0


# ---------------------------------------------------------------------- what playlists carry


async def test_credentials_do_not_stand_in_a_playlist(tmp_path: Path) -> None:
    async with backed(tmp_path) as web:
        await show(web)
        got = await web.follow(GOOD)
        playlists = [answer.body for answer in got.values() if answer.body[:7] == b"#EXTM3U"]
        assert len(playlists) == 2
        tickets = set()
        for body in playlists:
            assert b"good" not in body
            assert b"u1" not in body
            tickets |= set(re.findall(rb"\?_ticket=([\w-]+)", body))
            assert all("?_ticket=" in address for address in addresses(body))
        assert len(tickets) == 1  # addresses of segments stay as they are


async def test_ticket_is_good_for_its_stream_at_its_address_only(tmp_path: Path) -> None:
    async with backed(tmp_path, "http.proxies=127.0.0.1") as web:
        await show(web)
        await show(web, "b")
        here = {"X-Forwarded-For": "198.51.100.1"}
        got = await web.follow(GOOD, headers=here)
        assert statuses(got) == {200}
        ticket = list(got)[-1].partition("?")[2]
        for path, place in (
            (PLAYLIST, "198.51.100.2"),
            ("/live/b/index.m3u8", "198.51.100.1"),
            (PICTURE, "198.51.100.1"),
            ("/live/a.flv", "198.51.100.1"),
        ):
            headers = {"X-Forwarded-For": place}
            assert (await web.ask("GET", f"{path}?{ticket}", headers=headers)).status == 403
        forged = ticket[:-2] + ("AA" if not ticket.endswith("AA") else "BB")
        for query in (forged, ticket[:-1], "_ticket=", "_ticket=%ff", "_ticket=" + "A" * 5000):
            assert (await web.ask("GET", f"{PLAYLIST}?{query}", headers=here)).status == 403
        assert (await web.ask("GET", f"{PLAYLIST}?{ticket}", headers=here)).status == 200


async def test_parameters_of_players_are_no_credentials(tmp_path: Path) -> None:
    async with backed(tmp_path) as web:
        await show(web)
        query = f"{GOOD}&_HLS_skip=YES&_HLS_msn=0"
        assert (await web.ask("GET", f"/live/a/main.m3u8{query}")).status == 200
        assert (await web.ask("GET", f"/live/a/main.m3u8{GOOD}")).status == 200
        for width in (160, 320):
            await web.ask("GET", f"{PICTURE}{GOOD}&width={width}")
        assert web.asked == 2 * [{"user": "u1", "pw": "good"}]  # over HLS, and for a picture


async def test_parameters_that_no_playlist_could_carry_are_refused(tmp_path: Path) -> None:
    async with backed(tmp_path) as web:
        await show(web)
        answer = await web.ask("GET", f"{PLAYLIST}{GOOD}&more={'x' * 3000}")
        assert (answer.status, answer.detail.split()[2]) == (414, "of")


async def test_open_streams_and_tokens_are_carried_as_they_are(tmp_path: Path) -> None:
    settings = ("auth.private=live/b", *SHOWN)
    async with serve(tmp_path, *settings) as web:
        await show(web)
        await show(web, "b")
        open_one = await web.ask("GET", f"{PLAYLIST}{GOOD}")
        assert addresses(open_one.body) == ["main.m3u8"]
        token = sign(web, "live/b")
        private = await web.ask("GET", f"/live/b/index.m3u8?token={token}&user=u1")
        assert addresses(private.body) == [f"main.m3u8?token={token}"]


def sign(web: Web, stream: str, viewers: int | None = None) -> str:
    made = Token("", stream, "play", time.time() + 60, viewers=viewers)
    return web.live.services.access.tokens.sign(made, time.time())


# ---------------------------------------------------------------------- limits


async def test_viewers_that_are_remembered_count_too(tmp_path: Path) -> None:
    async with backed(tmp_path, "limits.viewers_per_stream=1") as web:
        await show(web)
        assert statuses(await web.follow(GOOD)) == {200}
        for query, agent in ((OTHER, ""), (GOOD, "another")):
            headers = {"User-Agent": agent} if agent else {}
            answer = await web.ask("GET", PLAYLIST + query, headers=headers)
            assert (answer.status, answer.detail) == (
                403,
                "this stream has reached its limit of viewers",
            )
        assert statuses(await web.follow(GOOD)) == {200}


@pytest.mark.parametrize("is_asked", [False, True])
async def test_viewers_that_wait_for_a_stream_together_are_no_more_than_may_watch(
    is_asked: bool, tmp_path: Path
) -> None:
    settings = (*SHOWN, "limits.viewers_per_stream=1", "live.wait_s=10")
    async with serve(tmp_path, *settings) as web:
        if is_asked:
            web.live.services.gate.authorizers.append(Doorman())
        waiting = [
            asyncio.create_task(
                web.ask("GET", f"{PLAYLIST}?user=u{number}", headers={"User-Agent": str(number)})
            )
            for number in range(4)
        ]
        arrivals = web.live.services.arrivals
        await until(lambda: arrivals.waiting == 4)
        await show(web)
        answers = await asyncio.gather(*waiting)
        assert sorted(each.status for each in answers) == [200, 403, 403, 403]


async def test_limit_of_a_token_holds_for_answers_that_are_remembered(tmp_path: Path) -> None:
    async with backed(tmp_path, "auth.private=live/*") as web:
        await show(web)
        query = f"{GOOD}&token={sign(web, 'live/a', viewers=1)}"
        one, two = {"User-Agent": "one"}, {"User-Agent": "two"}
        assert statuses(await web.follow(query, headers=one)) == {200}
        for _ in range(2):  # the second time the backend need not be asked
            answer = await web.ask("GET", PLAYLIST + query, headers=two)
            assert (answer.status, answer.detail) == (
                403,
                "this token has reached the limit of viewers",
            )
        assert (await web.ask("GET", PLAYLIST + query, headers=one)).status == 200


async def test_limit_of_the_backend_is_for_the_same_person(tmp_path: Path) -> None:
    async with backed(tmp_path) as web:
        await show(web)

        def only_one(received: Received) -> http.Response:
            user = received.document["data"]["query"].get("user")
            return http.json_response({"decision": "allow", "subject": user, "max_viewers": 1})

        web.backend.answer = only_one
        one, two = {"User-Agent": "one"}, {"User-Agent": "two"}
        assert statuses(await web.follow(GOOD, headers=one)) == {200}
        assert (await web.ask("GET", PLAYLIST + GOOD, headers=two)).status == 403
        assert (await web.ask("GET", "/live/a.flv" + GOOD, headers=one)).status == 403
        assert (await web.ask("GET", PLAYLIST + OTHER, headers=two)).status == 200


async def test_token_that_expires_ends_what_is_remembered(tmp_path: Path) -> None:
    async with backed(tmp_path, "auth.private=live/*") as web:
        await show(web)
        query = f"{GOOD}&token={sign(web, 'live/a')}"
        assert (await web.ask("GET", PLAYLIST + query)).status == 200
        web.live.services.access.tokens.take_others(None)  # forgets what it has found right
        web.live.services.gate._tokens._own = None
        assert (await web.ask("GET", PLAYLIST + GOOD)).status == 403
        assert len(web.asked) == 1


# ---------------------------------------------------------------------- Python hooks


class Doorman:
    """An authorizer of a program: lets in by parameter, and notes whom it was asked about."""

    def __init__(self, **allowed: Any) -> None:
        self.allowed = allowed
        self.asked: list[AccessRequest] = []

    async def authorize(self, request: AccessRequest) -> Decision:
        self.asked.append(request)
        user = request.query.get("user")
        return Allow(subject=user, **self.allowed) if user else Deny("who are you?")


async def test_hooks_decide_about_each_viewer_too(tmp_path: Path) -> None:
    async with serve(tmp_path, *SHOWN) as web:
        door = Doorman()
        await show(web)
        web.live.services.gate.authorizers.append(door)
        assert (await web.ask("GET", PLAYLIST + "?user=u1")).status == 200
        assert (await web.ask("GET", PLAYLIST)).status == 403
        assert (await web.ask("GET", PLAYLIST + "?user=u1")).status == 200
        assert [dict(each.query) for each in door.asked] == [{"user": "u1"}, {}]


async def test_time_that_is_over_ends_a_viewer_that_has_no_session(tmp_path: Path) -> None:
    async with serve(tmp_path, *SHOWN) as web:
        gate = web.live.services.gate
        await show(web)
        gate.authorizers.append(Doorman(max_duration_s=60))
        assert (await web.ask("GET", PLAYLIST + "?user=u1")).status == 200
        (known,) = gate._known._known.values()
        known.since -= 61
        grow_old(web)
        answer = await web.ask("GET", PLAYLIST + "?user=u1")
        assert (answer.status, answer.detail) == (403, "the time allowed is over")
        assert (await web.ask("GET", PLAYLIST + "?user=u2")).status == 200
        known.used -= AWAY_S
        assert (await web.ask("GET", PLAYLIST + "?user=u1")).status == 200  # it comes anew


# ---------------------------------------------------------------------- renames and caches


async def test_viewer_sees_the_stream_that_a_backend_gives_it_everywhere(tmp_path: Path) -> None:
    async with backed(tmp_path) as web:
        await show(web, "b")
        web.backend.answer = lambda _: http.json_response({"stream": "live/b"})
        got = await web.follow(GOOD)
        assert statuses(got) == {200}
        page = await web.ask("GET", f"/watch/live/a{GOOD}", headers=JSON)
        assert (page.json["path"], page.json["state"]) == ("live/a", "live")
        assert (await web.ask("GET", PICTURE)).status == 200
        assert (await web.ask("GET", "/live/b/index.m3u8")).status == 200


async def test_backend_does_not_lead_around_the_settings(tmp_path: Path) -> None:
    async with backed(tmp_path, "auth.private=live/b") as web:
        await show(web, "b")
        web.backend.answer = lambda _: http.json_response({"stream": "live/b"})
        for path in (PLAYLIST, PICTURE, "/live/a.flv"):
            answer = await web.ask("GET", path + GOOD)
            assert answer.status == 403, path
            assert answer.detail.startswith("this stream needs a token")
        page = await web.ask("GET", f"/watch/live/a{GOOD}", headers=JSON)
        assert page.json["state"] == "private"
        token = sign(web, "live/b")
        assert statuses(await web.follow(f"{GOOD}&token={token}")) == {200}


async def kept_by(web: Web, query: str = "") -> set[str]:
    """Say who may keep what is given of `live/a`, and what is said of what is not there."""
    headers = {"X-Forwarded-Proto": "https"}
    first = await web.ask("GET", PLAYLIST + query, headers=headers)
    assert first.status == 200, first.body
    main = urljoin(PLAYLIST, addresses(first.body)[0])
    second = await web.ask("GET", main, headers=headers)
    third = await web.ask("GET", urljoin(main, addresses(second.body)[1]), headers=headers)
    picture = await web.ask("GET", PICTURE + query, headers=headers)
    answers = [first, second, third, picture]
    assert {each.status for each in answers} == {200}
    for path in ("/live/a/abc123-1.m4s", "/live/gone/thumbnail.jpg", "/live/gone.flv"):
        answers.append(await web.ask("GET", path + query, headers=headers))
        assert answers[-1].status == 404
    return {each.headers["Cache-Control"].partition(",")[0] for each in answers}


@pytest.mark.parametrize(
    ("setting", "who"),
    [
        ("auth.publish=key", "public"),
        ("auth.publish_from=127.0.0.1", "public"),
        ("auth.private=vip/*", "public"),
        ("rtmp.require_tls=publish", "public"),
        ("auth.play_from=127.0.0.1", "private"),
        ("auth.play_not_from=198.51.100.0/24", "private"),
        ("rtmp.tls_only=live/*", "private"),
    ],
)
async def test_caches_may_keep_what_everybody_may_watch(
    setting: str, who: str, tmp_path: Path
) -> None:
    own = ("http.proxies=127.0.0.1", "live.wait_s=0")
    async with serve(tmp_path, *SHOWN, *own, setting) as web:
        await show(web)
        assert await kept_by(web) == {who}


@pytest.mark.parametrize(
    ("setting", "who"),
    [("auth.callback_actions=play", "private"), ("auth.callback_actions=publish", "public")],
)
async def test_caches_do_not_keep_what_a_backend_decides_about(
    setting: str, who: str, tmp_path: Path
) -> None:
    async with backed(tmp_path, "live.wait_s=0", setting) as web:
        await show(web)
        assert await kept_by(web, GOOD) == {who}


def answering(said: dict[str, str]) -> Callable[[Received], http.Response]:
    return lambda _: http.json_response(said)


async def test_caches_keep_no_refusal_and_no_redirect(tmp_path: Path) -> None:
    async with backed(tmp_path) as web:
        await show(web)
        redirect = {"decision": "redirect", "url": "http://edge.example/live/a.flv"}
        for said in ({"decision": "deny"}, redirect):
            web.backend.answer = answering(said)
            for path in (PLAYLIST, PICTURE, "/live/a.flv"):
                answer = await web.ask("GET", path, allow_redirects=False)
                assert answer.status in (307, 403)
                assert answer.headers["Cache-Control"] == "no-store"


async def test_caches_keep_nothing_that_an_administrator_is_shown(tmp_path: Path) -> None:
    async with serve(tmp_path, *SHOWN) as web:
        await show(web)
        assert (await web.ask("GET", PICTURE)).headers["Cache-Control"] == "public, max-age=5"
        answer = await web.get("/thumbnails/live/a")
        assert answer.headers["Cache-Control"] == "private, max-age=5"

"""Tests that a client connects again, goes where it is sent, and says who it is."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from itertools import pairwise
from pathlib import Path
from typing import ClassVar

import pytest
from tests.client.peers import our_server, published
from tests.client.redirects import PLAYED, PUBLISHED, moving, pictures, redirecting
from tests.client.servers import STARTED, fails, other_server, saying
from tests.harness import until
from tests.rtmp.server_words import GREETING, answer, information, status

from headend.client import Player, Publisher, Reconnect, Timeouts, play, publish
from headend.client.continuation import Continuation
from headend.client.reader import TagReader
from headend.client.reconnect import ReconnectingReader, Retrier, is_passing, policy_of
from headend.decisions import AccessRequest, Decision, Redirect
from headend.errors import MediaError, ProtocolError, Refusal, Rejected, RelayError
from headend.media.tag import AUDIO, SCRIPT, VIDEO, Tag
from headend.rtmp import authmod
from headend.rtmp.url import stream_target
from headend.testing.clip import make_clip

CLIP = make_clip(0.4)
QUICK = Reconnect(first_s=0.01, longest_s=0.02, jitter_s=0.0, give_up_s=5)
HASTY = Timeouts(close_s=0.1)
Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], "asyncio.Future[None]"]


# ---------------------------------------------------------------------- lost connections


async def test_player_goes_on_with_one_timeline() -> None:
    connections = 0

    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal connections
        connections += 1
        end = status("NetStream.Play.UnpublishNotify") if connections == 3 else b""
        writer.write(PLAYED + pictures(5000 // connections, 3) + end)
        await reader.readuntil(b"play")
        if connections == 2:
            writer.transport.abort()

    async with other_server(handler) as url, play(url, reconnect=QUICK) as stream:
        tags = [tag async for tag in stream]
    assert [tag.timestamp for tag in tags[:3]] == [5000, 5040, 5080]
    assert all(later.timestamp > tag.timestamp for tag, later in pairwise(tags))
    assert len(tags) >= 6
    assert connections == 3


async def test_player_without_the_wish_ends() -> None:
    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(PLAYED + pictures(0, 3))
        await reader.readuntil(b"play")

    async with other_server(handler) as url, play(url) as stream:
        assert len([tag async for tag in stream]) == 3


async def test_server_that_closes_after_each_connect_is_given_up() -> None:
    connections = 0

    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal connections
        connections += 1
        writer.write(PLAYED)
        await reader.readuntil(b"play")

    policy = Reconnect(first_s=0.05, longest_s=0.1, jitter_s=0, give_up_s=0.3)
    async with other_server(handler) as url, play(url, reconnect=policy) as stream:
        with pytest.raises(RelayError, match="the server closed the connection"):
            await anext(stream)
    assert 3 <= connections <= 8


async def test_first_connection_is_tried_again_only_if_wanted(tmp_path: Path) -> None:
    attempts = 0

    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal attempts
        attempts += 1
        if attempts < 3:
            return
        writer.write(STARTED)
        await reader.read(100_000)

    async with other_server(handler) as url:
        for action in (play, publish):
            with pytest.raises(RelayError):
                async with action(url, reconnect=True):
                    pass
        from_start = Reconnect(first_s=0.01, jitter_s=0, from_start=True)
        async with play(url, reconnect=from_start):
            assert attempts == 3
        async with publish(url, reconnect=from_start):
            assert attempts == 4


async def test_publisher_goes_on_at_a_keyframe_with_its_headers() -> None:
    seen: list[bytes] = []

    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(PUBLISHED)
        data = b""
        while piece := await reader.read(65_536):
            data += piece
            if not seen and b"first" in data:
                seen.append(data)
                writer.transport.abort()
                return
        seen.append(data)

    async with other_server(handler) as url, publish(url, reconnect=QUICK) as out:
        await out.write(Tag(SCRIPT, 0, b"\x02\x00\x0aonMetaData\x08", False, False))
        await out.write(Tag(VIDEO, 0, b"\x17\x00\x00\x00\x00headers", False, True))
        await out.write(Tag(VIDEO, 0, b"\x17\x01\x00\x00\x00first", True, False))
        number = 0
        while not out.reconnects:
            number += 1
            await out.write(Tag(VIDEO, 40 * number, b"\x27\x01\x00\x00\x00lost", False, False))
            await asyncio.sleep(0)
        await out.write(Tag(AUDIO, 5000, b"\xaf\x01unheard", False, False))
        await out.write(Tag(VIDEO, 5000, b"\x27\x01\x00\x00\x00unseen", False, False))
        await out.write(Tag(VIDEO, 5040, b"\x17\x01\x00\x00\x00second", True, False))
        await out.write(Tag(AUDIO, 5045, b"\xaf\x01heard", False, False))
    second = seen[1]
    assert second.index(b"onMetaData") < second.index(b"headers") < second.index(b"second")
    assert b"\xaf\x01heard" in second
    assert b"unseen" not in second
    assert b"unheard" not in second


async def test_publisher_that_was_taken_over_does_not_come_back(tmp_path: Path) -> None:
    async with (
        our_server(tmp_path, "live.takeover=always") as ours,
        publish(f"{ours.rtmp}/live/a", reconnect=QUICK, timeouts=HASTY) as first,
        publish(f"{ours.rtmp}/live/a"),
    ):
        with pytest.raises(Rejected):
            await write_on(first)
        assert not first.reconnects


async def write_on(out: Publisher) -> None:
    while True:
        await out.write(Tag(AUDIO, 0, b"\xaf\x01\x21", False, False))
        await asyncio.sleep(0)


async def test_stream_goes_on_when_the_server_loses_all_connections(tmp_path: Path) -> None:
    async with our_server(tmp_path) as ours:
        url = f"{ours.rtmp}/live/a"
        async with (
            play(url, reconnect=QUICK) as stream,
            publish(url, reconnect=QUICK) as out,
        ):
            tags: list[Tag] = []
            for number, tag in enumerate(make_clip(4.0).repeated()):
                await out.write(tag)
                if number == 20:
                    tags += [await anext(stream) for _ in range(10)]
                    for session in list(ours.server.services.sessions.all()):
                        session.abort()
                if out.reconnects and number > 400:
                    break
                await asyncio.sleep(0.001)
            tags += [await anext(stream) for _ in range(12)]
    media = [t.timestamp for t in tags if t.kind is VIDEO and not t.is_sequence_header]
    assert media == sorted(media)
    assert out.reconnects == 1


# ---------------------------------------------------------------------- redirects


@asynccontextmanager
async def target(tmp_path: Path) -> AsyncIterator[str]:
    """Our own server with a stream; give its URL of the app."""
    async with our_server(tmp_path) as ours, published(f"{ours.rtmp}/live/cam1", CLIP):
        yield f"{ours.rtmp}/live"


async def test_redirect_is_followed(tmp_path: Path) -> None:
    async with target(tmp_path) as app:
        for redirect in (redirecting(app), redirecting(f"{app}/cam1", "redirect2")):
            async with other_server(saying(redirect)) as url, play(url) as stream:
                assert (await anext(stream)).kind is SCRIPT
            async with other_server(saying(redirect)) as url:
                error = await fails(url, publish)
                assert isinstance(error, Rejected)  # it is published there already
                assert error.code == "NetStream.Publish.BadName"


@pytest.mark.parametrize("has_name", [True, False])
async def test_redirect_of_our_own_server_is_followed(tmp_path: Path, *, has_name: bool) -> None:
    class Elsewhere:
        def __init__(self, url: str) -> None:
            self._url = url

        async def authorize(self, request: AccessRequest) -> Decision:
            return Redirect(self._url)

    (tmp_path / "first").mkdir()
    async with target(tmp_path) as app, our_server(tmp_path / "first") as first:
        gate = first.server.services.gate
        gate.authorizers = [Elsewhere(f"{app}/cam1" if has_name else app)]
        async with play(f"{first.rtmp}/live/cam1") as stream:
            assert (await anext(stream)).kind is SCRIPT


async def test_redirect_loop_ends() -> None:
    connections = 0

    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal connections
        connections += 1
        host, port = writer.get_extra_info("sockname")
        writer.write(redirecting(f"rtmp://{host}:{port}/live"))
        await reader.read()

    async with other_server(handler) as url:
        error = await fails(url, play)
        assert str(error).endswith("redirects more than 3 times")
        assert connections == 4


async def test_redirect_to_what_is_no_server_is_told() -> None:
    async with other_server(saying(redirecting("http://h/secret"))) as url:
        error = await fails(url, play)
        assert isinstance(error, ProtocolError)
        assert "secret" not in str(error)


# ---------------------------------------------------------------------- requests to move


async def test_player_moves_when_the_server_asks(tmp_path: Path) -> None:
    async with target(tmp_path) as app:
        first = PLAYED + pictures(90_000, 2) + moving(app)
        async with other_server(saying(first)) as url, play(url) as stream:
            tags = [await anext(stream) for _ in range(8)]
    assert [tag.timestamp for tag in tags[:2]] == [90_000, 90_040]
    assert all(tag.timestamp >= 90_040 for tag in tags[2:])
    moved = [tag.body for tag in tags[2:] if tag.kind is VIDEO]
    assert moved == [tag.body for tag in CLIP.tags if tag.kind is VIDEO][: len(moved)]


@pytest.mark.parametrize("tc_url", ["rtmp://127.0.0.1:1/live", "http://h/x"])
async def test_player_stays_where_it_cannot_move(tc_url: str) -> None:
    first = PLAYED + moving(tc_url) + moving(tc_url) + pictures(0, 2)
    async with other_server(saying(first)) as url, play(url) as stream:
        assert [(await anext(stream)).timestamp for _ in range(2)] == [0, 40]


async def test_publisher_moves_at_a_keyframe_when_the_server_asks(tmp_path: Path) -> None:
    async with our_server(tmp_path) as ours, play(f"{ours.rtmp}/live/cam1") as stream:
        asked = PUBLISHED + moving(f"{ours.rtmp}/live")
        async with (
            other_server(saying(asked)) as url,
            publish(url, is_enhanced=True) as out,
        ):
            task = asyncio.create_task(anext(stream))
            for tag in make_clip(4.0).repeated():
                if task.done():
                    break
                await out.write(tag)
                await asyncio.sleep(0.002)
            tags = [await task] + [await anext(stream) for _ in range(3)]
    kinds = [(tag.kind, tag.is_sequence_header, tag.is_keyframe) for tag in tags]
    assert kinds[:3] == [(SCRIPT, False, False), (VIDEO, True, False), (AUDIO, True, False)]
    assert kinds[3][2]


@pytest.mark.parametrize("tc_url", ["rtmp://127.0.0.1:1/live", "http://h/x"])
async def test_publisher_stays_where_it_cannot_move(tc_url: str) -> None:
    received = bytearray()

    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(PUBLISHED + moving(tc_url) + moving(tc_url))
        while data := await reader.read(65_536):
            received.extend(data)

    async with other_server(handler) as url:
        async with publish(url, is_enhanced=True) as out:
            for number in range(50):
                await out.write(Tag(AUDIO, number, b"\xaf\x01sound%d" % number, False, False))
                await asyncio.sleep(0.001)
        await until(lambda: b"sound49" in received)


# ---------------------------------------------------------------------- who we are


@pytest.mark.parametrize("scheme", ["adobe", "llnw"])
@pytest.mark.parametrize(("password", "is_right"), [("secret", True), ("wrong", False)])
async def test_user_and_password_are_proved(
    scheme: authmod.Scheme, password: str, *, is_right: bool
) -> None:
    challenge = authmod.Challenge(scheme, "alice", "bm9uY2U=")
    steps: list[bytes] = []

    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(GREETING)
        data = await reader.readuntil(b"tcUrl")
        while b"rtmp://" not in data or not data.rstrip(b"\x00").endswith(b"\x09"):
            data += await reader.read(1000)
        text = data[data.rindex(b"rtmp://") : -3].decode()
        asked = stream_target("", text, "cam1")
        given = authmod.parse_answer(asked)
        if authmod.scheme(asked) is None:
            steps.append(b"none")
            say(writer, authmod.need_auth(scheme))
        elif given is None:
            steps.append(b"user")
            say(writer, authmod.describe(challenge, "c2FsdA=="))
        elif authmod.is_right(given, challenge, KNOWN, "live"):
            steps.append(b"right")
            writer.write(PUBLISHED[len(GREETING) :])
        else:
            steps.append(b"wrong")
            say(writer, authmod.failed(scheme))
        await reader.read()

    async with other_server(handler) as url:
        url = url.replace("://", f"://alice:{password}@")
        if is_right:
            async with publish(url):
                pass
        else:
            error = await fails(url)
            assert isinstance(error, Rejected)
            assert error.description == "user or password is wrong"
    assert steps == [b"none", b"user", b"right" if is_right else b"wrong"]


KNOWN = authmod.verifier("alice", "secret", "c2FsdA==")


def say(writer: asyncio.StreamWriter, description: str) -> None:
    details = information(
        level="error", code="NetConnection.Connect.Rejected", description=description
    )
    writer.write(answer("_error", 1, details))


async def test_who_names_nobody_is_told_what_is_wanted() -> None:
    refusal = information(
        level="error",
        code="NetConnection.Connect.Rejected",
        description=authmod.need_auth("adobe"),
    )

    async with other_server(saying(GREETING + answer("_error", 1, refusal))) as url:
        error = await fails(url)
        assert "it wants a user and a password" in str(error)
        # A server that asks the same again and again has no answer.
        error = await fails(url.replace("://", "://alice:secret@"))
        assert "user or password is wrong" in str(error)


async def test_key_of_a_platform_is_sent_as_the_name(tmp_path: Path) -> None:
    async with (
        our_server(tmp_path) as ours,
        play(f"{ours.rtmp}/live/cam1") as stream,
        publish(f"{ours.rtmp}/live", key="cam1?key=s") as out,
    ):
        for tag in CLIP.tags:
            await out.write(tag)
        assert (await anext(stream)).kind is SCRIPT


# ---------------------------------------------------------------------- small parts


class Broken:
    """A reader that fails, or ends."""

    was_cut = False

    def __init__(self, failure: Exception | None) -> None:
        self._failure = failure

    async def read(self) -> list[Tag] | None:
        if self._failure is not None:
            raise self._failure
        return None


async def test_reader_is_opened_again_after_what_may_pass_only() -> None:
    failures: list[Exception | None] = [RelayError("lost"), ProtocolError("silent"), None]
    failures += [MediaError("no FLV")]

    @asynccontextmanager
    async def opened() -> AsyncIterator[TagReader]:
        yield Broken(failures.pop(0))

    reader = ReconnectingReader(opened, QUICK)
    await reader.start()
    assert [await reader.read(), await reader.read(), await reader.read()] == [(), (), None]
    assert reader.reconnects == 2
    await reader.close()
    reader = ReconnectingReader(opened, QUICK)
    await reader.start()
    with pytest.raises(MediaError):
        await reader.read()


async def test_newest_gives_what_there_is_and_then_the_error() -> None:
    class Reader(Broken):
        tags: ClassVar[list[list[Tag]]] = [list(CLIP.tags[:3])]

        async def read(self) -> list[Tag] | None:
            return self.tags.pop() if self.tags else await super().read()

    player = Player(Reader(MediaError("broken")), "newest")
    assert [await anext(player) for _ in range(3)] == list(CLIP.tags[:3])
    with pytest.raises(MediaError, match="broken"):
        await anext(player)
    await player.close()


def test_what_may_pass_is_tried_again() -> None:
    assert is_passing(RelayError("a"))
    assert is_passing(Rejected(Refusal.REMOTE, "b", code="NetStream.Publish.BadName"))
    assert not is_passing(Rejected(Refusal.REMOTE, "c", code="NetStream.Publish.Denied"))
    assert not is_passing(MediaError("d"))
    assert policy_of(False) is None
    assert policy_of(True) == Reconnect()
    assert policy_of(QUICK) is QUICK


async def test_connection_that_lasted_is_made_again_at_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("headend.client.reconnect.STEADY_S", 0.0)

    retrier = Retrier(Reconnect(first_s=60, jitter_s=0, give_up_s=1), "play")

    async def action() -> int:
        return 7

    for _ in range(3):
        assert await retrier.retry(action, RelayError("lost")) == 7


def test_timeline_wraps_and_headers_stand_where_it_is() -> None:
    line = Continuation()
    line.restart()  # nothing has come: nothing to follow
    assert line.map([]) == []
    first = Tag(VIDEO, 0xFFFF_FFF0, b"a", True, False)
    assert line.map([first]) == [first]
    line.restart()
    header = Tag(VIDEO, 5, b"h", False, True)
    later = [t.timestamp for t in line.map([header, first, first._replace(timestamp=0xFFFF_FFFA)])]
    assert later == [0xFFFF_FFF0, 4, 14]
    assert [t.timestamp for t in line.map([first])] == [4]

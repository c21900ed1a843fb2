"""Questions to the API of the server that runs with a data folder."""

import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from types import MappingProxyType
from typing import BinaryIO, Final, Self
from urllib.parse import quote

import aiohttp
from yarl import URL

from headend.app.running_file import find
from headend.drain.drain import DrainState
from headend.errors import HeadendError, SettingsError
from headend.http.api import models
from headend.http.api.route import MOST, adapter
from headend.live.status import SessionStatus, StreamStatus
from headend.record.api import ListedRecording, RecordingList
from headend.relay.api import AddedRelay, NewRelay, RelayList
from headend.relay.status import RelayStatus
from headend.store import admin_token

TIMEOUT_S: Final = 10.0
SILENCE_S: Final = 15.0  # updates come every 2 s
EXPORT_S: Final = 150.0  # the server may have to make the head of a file first
CHUNK_BYTES: Final = 1024 * 1024
WRONG: Final = (400, 422)  # what was asked for is
EVENT_BYTES: Final = 16 * 1024 * 1024
_ALL: Final = {"0.0.0.0": "127.0.0.1", "[::]": "[::1]"}  # addresses of the whole machine


class ApiClient:
    """A client of one server; use it in `async with`."""

    def __init__(self, data: Path) -> None:
        """Find the server.

        Args:
            data: Its data folder.

        Raises:
            HeadendError: None runs there, or it has no HTTP.
        """
        running = find(data)
        if running is None:
            raise HeadendError(
                f"no server runs with the data folder {data} (--data names another one)"
            )
        token = _read_token(data)
        if not running.http and not running.tls:
            raise HeadendError(
                f"the server (process {running.pid}) has no HTTP to ask: http.listen and "
                "tls.listen are off"
            )
        scheme, address = ("http", running.http[0]) if running.http else ("https", running.tls[0])
        host, _, port = address.rpartition(":")
        self._unix = address.removeprefix("unix:") if address.startswith("unix:") else None
        self.address: Final = address
        self._base = f"{scheme}://localhost"
        if self._unix is None:
            self._base = f"{scheme}://{_ALL.get(host, host)}:{port}"
        self._headers = {"Authorization": f"Bearer {token}"}

    async def __aenter__(self) -> Self:
        # The address is that of a process which holds the lock in the data folder: its certificate,
        # which may be self-signed, would tell no more.
        connector = (
            aiohttp.TCPConnector(ssl=False)
            if self._unix is None
            else aiohttp.UnixConnector(self._unix)
        )
        self._session = aiohttp.ClientSession(
            connector=connector, headers=self._headers, read_bufsize=EVENT_BYTES
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._session.close()

    async def server(self) -> models.Server:
        """Ask for the server as a whole."""
        return models.Server.model_validate(await self._get("/api/v1/server"))

    async def streams(self) -> list[StreamStatus]:
        """Ask for all streams."""
        pages = [models.Streams.model_validate(page) async for page in self._pages("streams")]
        return [stream for page in pages for stream in page.streams]

    async def sessions(self) -> list[SessionStatus]:
        """Ask for all sessions."""
        pages = [models.Sessions.model_validate(page) async for page in self._pages("sessions")]
        return [session for page in pages for session in page.sessions]

    async def updates(self) -> AsyncIterator[models.Event]:
        """Yield an update now and every two seconds, until the server stops."""
        limits = aiohttp.ClientTimeout(None, sock_connect=TIMEOUT_S, sock_read=SILENCE_S)
        async with self._asked("/api/v1/events", {}, limits) as response:
            async for line in response.content:
                if line.startswith(b"data: "):
                    yield models.Event.model_validate_json(line[6:])

    async def drain(self) -> DrainState:
        """Have the server drain; return how it stands."""
        answer = await self._change("POST", "/api/v1/drain")
        state: DrainState = adapter(DrainState).validate_python(answer)
        return state

    async def drain_state(self) -> DrainState:
        """Ask whether the server drains, and how many peers are left."""
        answer = await self._get("/api/v1/drain")
        state: DrainState = adapter(DrainState).validate_python(answer)
        return state

    async def undo_drain(self) -> None:
        """Have the server serve as before."""
        await self._change("DELETE", "/api/v1/drain")

    async def relays(self) -> list[RelayStatus]:
        """Ask for the relays."""
        return RelayList.model_validate(await self._get("/api/v1/relays")).relays

    async def add_relay(self, relay: NewRelay) -> str:
        """Have a relay added; return its id."""
        body = relay.model_dump(exclude_defaults=True)
        answer = await self._change("POST", "/api/v1/relays", body)
        return AddedRelay.model_validate(answer).id

    async def remove_relay(self, id: str) -> None:
        """Have a relay removed."""
        await self._change("DELETE", f"/api/v1/relays/{quote(id, safe='')}")

    async def recordings(self, wanted: Mapping[str, str]) -> list[ListedRecording]:
        """Ask for recordings; `wanted`: see the query of the API."""
        pages = self._pages("recordings", wanted, after="cursor")
        lists = [RecordingList.model_validate(page) async for page in pages]
        return [recording for each in lists for recording in each.recordings]

    async def recording(self, id: str) -> ListedRecording:
        """Ask for one recording."""
        answer = await self._get(f"/api/v1/recordings/{quote(id, safe='')}")
        found: ListedRecording = adapter(ListedRecording).validate_python(answer)
        return found

    async def export(self, id: str, file: BinaryIO) -> None:
        """Write a recording to a file, as MP4."""
        limits = aiohttp.ClientTimeout(None, sock_connect=TIMEOUT_S, sock_read=EXPORT_S)
        path = f"/api/v1/recordings/{quote(id, safe='')}/mp4"
        async with self._asked(path, {}, limits) as response:
            async for piece in response.content.iter_chunked(CHUNK_BYTES):
                file.write(piece)

    async def clip(
        self, id: str, start_s: float, end_s: float, *, is_exact: bool
    ) -> ListedRecording:
        """Have a clip cut from a recording."""
        path = f"/api/v1/recordings/{quote(id, safe='')}/clips"
        body = {"start": start_s, "end": end_s, "exact": is_exact}
        limits = aiohttp.ClientTimeout(None, sock_connect=TIMEOUT_S, sock_read=EXPORT_S)
        async with self._asked(path, {}, limits, "POST", body) as response:
            answer = await response.json()
        made: ListedRecording = adapter(ListedRecording).validate_python(answer)
        return made

    async def delete_recording(self, id: str) -> None:
        """Have a recording deleted."""
        await self._change("DELETE", f"/api/v1/recordings/{quote(id, safe='')}")

    async def _pages(
        self, what: str, wanted: Mapping[str, str] = MappingProxyType({}), after: str = "after"
    ) -> AsyncIterator[dict[str, object]]:
        """Ask for a list, page by page; `after`: what the parameter for the next one is called."""
        query = {"limit": str(MOST), **wanted}
        while True:
            page = await self._get(f"/api/v1/{what}", query)
            assert isinstance(page, dict)
            yield page
            if page.get("next") is None:
                return
            query[after] = str(page["next"])

    async def _change(self, method: str, path: str, body: object = None) -> object:
        limits = aiohttp.ClientTimeout(TIMEOUT_S)
        async with self._asked(path, {}, limits, method, body) as response:
            return None if response.status == 204 else await response.json()

    async def _get(self, path: str, query: Mapping[str, str] | None = None) -> object:
        limits = aiohttp.ClientTimeout(TIMEOUT_S)
        async with self._asked(path, query or {}, limits) as response:
            return await response.json()

    @asynccontextmanager
    async def _asked(
        self,
        path: str,
        query: Mapping[str, str],
        limits: aiohttp.ClientTimeout,
        method: str = "GET",
        body: object = None,
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        url = URL(self._base + path, encoded=True).with_query(query)
        try:
            asked = self._session.request(method, url, json=body, timeout=limits)
            async with asked as response:
                if response.status in WRONG:
                    raise SettingsError(await _problem(response))
                if response.status >= 300:
                    raise HeadendError(f"the server answers: {await _problem(response)}")
                yield response
        except TimeoutError:
            raise HeadendError(f"the server at {self.address} does not answer") from None
        except aiohttp.ClientError as error:
            raise HeadendError(f"the server at {self.address} cannot be asked: {error}") from error


async def _problem(response: aiohttp.ClientResponse) -> str:
    try:
        return str(json.loads(await response.read())["detail"])
    except (ValueError, KeyError, TypeError):
        return f"HTTP {response.status}"


def _read_token(data: Path) -> str:
    path = data / admin_token.FILE_NAME
    try:
        return path.read_text(encoding="ascii").strip()
    except OSError as error:
        raise HeadendError(f"{path}: {error.strerror}: the API needs it") from error

"""The API's part about recordings: what was recorded, and start, stop and deletion by hand."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Annotated, Final

from aiohttp import web
from pydantic import ConfigDict, Field

from headend.errors import DatabaseError, MediaError, ProtocolError, StoreError
from headend.features.routes import Route, Schema
from headend.http.api.auditing import TARGET
from headend.http.api.models import Model
from headend.http.api.route import DEFAULT_LIMIT, MOST, V1, page_limit, read_body
from headend.http.problems import Problem
from headend.names import stream_path
from headend.record.clips import ClipRefused, ClipsBusy
from headend.record.on_demand import away, no_recording
from headend.record.port import RecordingControl
from headend.record.removal import RecordingRuns
from headend.record.tables import PageEnd, RecordingFilter
from headend.record.times import time_of
from headend.record.values import Recording

if TYPE_CHECKING:
    from headend.record.recordings import Recordings

_TIME: Final[Schema] = {
    "type": "string",
    "maxLength": 64,
    "description": "ISO 8601, such as 2026-01-31T12:00:00Z, or Unix seconds.",
}
_QUERY: Final[Mapping[str, Schema]] = {
    "stream": {"type": "string", "maxLength": 1100, "description": "A pattern, such as live/*."},
    "from": _TIME,
    "to": _TIME,
    "limit": {"type": "integer", "minimum": 1, "maximum": MOST, "default": DEFAULT_LIMIT},
    "cursor": {"type": "string", "maxLength": 80},
}


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedRecording(Recording):
    """One recording of a stream, and where it is played."""

    __pydantic_config__ = ConfigDict(title="Recording", extra="forbid")

    url: Annotated[str, Field(description="Its playlist of HLS, on this server.")]


class WaitingUploads(Model):
    """What waits for the object store of recordings."""

    waiting: int = Field(description="Files that are to be uploaded.")
    fault: str = Field(description="Why the store does not work; empty: it does.")


class RecordingList(Model):
    """A page of recordings, the newest first."""

    recordings: list[ListedRecording]
    next: str | None = Field(description="What `cursor` takes for the next page.")
    total_bytes: int = Field(description="Of all recordings.")
    free_bytes: int | None = Field(description="On their disk; null: not known.")
    uploads: WaitingUploads | None = Field(description="null: there is no record.store.")


class NewRecording(Model):
    """A stream to record."""

    stream: str = Field(max_length=1024, description="APP/NAME; it is live.")


class NewClip(Model):
    """A range of a recording."""

    start: float = Field(ge=0, allow_inf_nan=False, description="Seconds from its start.")
    end: float = Field(gt=0, allow_inf_nan=False, description="Seconds from its start.")
    exact: bool = Field(
        default=False,
        description="true: it begins and ends to the picture, its edges encoded anew; false: at "
        "segments, at once.",
    )


def routes(recordings: "Recordings") -> Sequence[Route]:
    """List the operations."""
    api = _Recordings(recordings)
    one = f"{V1}/recordings/{{recording}}"
    return (
        Route("GET", f"{V1}/recordings", "Recordings, the newest first.", api.recordings,
              RecordingList, query=_QUERY, statuses=(503,)),
        Route("POST", f"{V1}/recordings", "Record a stream that is live.", api.record,
              ListedRecording, body=NewRecording, status=201, statuses=(404, 503),
              action="recording.start"),
        Route("GET", one, "One recording.", api.recording, ListedRecording, statuses=(503,)),
        Route("DELETE", one, "Delete a recording that is over, its files too.", api.delete,
              statuses=(409, 503), action="recording.delete"),
        Route("GET", f"{one}/mp4", "A recording that is over, as one MP4 file.", api.download,
              content_type="video/mp4", statuses=(409, 503)),
        Route("POST", f"{one}/stop", "End a recording that runs.", api.stop,
              statuses=(409, 503), action="recording.stop"),
        Route("POST", f"{one}/clips", "Cut a clip, which is a recording.", api.clip,
              ListedRecording, body=NewClip, status=201, statuses=(503,), action="recording.clip"),
    )  # fmt: skip


class _Recordings:
    def __init__(self, recordings: "Recordings") -> None:
        self._all: Final = recordings

    async def recordings(self, request: web.Request) -> RecordingList:
        limit = page_limit(request)
        wanted = RecordingFilter(
            stream=request.query.get("stream"),
            since=time_of(request, "from"),
            until=time_of(request, "to"),
        )
        before = _cursor(request)
        try:
            found = await self._all.index.tables().page(wanted, limit=limit + 1, before=before)
            disk = await self._all.disk()
        except DatabaseError as error:
            raise away(error) from None
        last = found[limit - 1] if len(found) > limit else None
        return RecordingList(
            recordings=list(map(_listed, found[:limit])),
            next=None if last is None else f"{last.started!r},{last.id}",
            total_bytes=disk.used,
            free_bytes=disk.free,
            uploads=self._uploads(),
        )

    def _uploads(self) -> WaitingUploads | None:
        if not self._all.services.settings.record.store:
            return None
        uploads = self._all.uploads
        return WaitingUploads(waiting=uploads.waiting, fault=uploads.fault)

    async def recording(self, request: web.Request) -> ListedRecording:
        return _listed(await self._found(request))

    async def download(self, request: web.Request) -> web.StreamResponse:
        """Give the MP4 file to an administrator, who needs no playback token."""
        try:
            known = await self._all.known.get(request.match_info["recording"])
        except DatabaseError as error:
            raise away(error) from None
        if known is None:
            raise no_recording()
        return await self._all.on_demand.give_download(request, known)

    async def record(self, request: web.Request) -> ListedRecording:
        body = await read_body(request, NewRecording)
        try:
            path = request[TARGET] = stream_path(body.stream)
        except ProtocolError as error:
            raise Problem(422, f"stream: {error}.") from None
        return _listed(self._recorder().record(path))

    async def stop(self, request: web.Request) -> None:
        recorder, recording = self._recorder(), await self._found(request)
        if recording.state != "recording":
            raise Problem(409, "This recording is over.")
        recorder.stop_recording(recording.id)

    async def clip(self, request: web.Request) -> ListedRecording:
        body = await read_body(request, NewClip)
        try:
            known = await self._all.known.get(request.match_info["recording"])
            if known is None:
                raise no_recording()
            cut = self._all.clips.cut(known, body.start, body.end, is_exact=body.exact)
            return _listed(await cut)
        except (ClipRefused, MediaError) as error:
            raise Problem(422, f"{str(error).capitalize()}.") from None
        except ClipsBusy as error:
            raise Problem(503, f"{error}.", headers={"Retry-After": "5"}) from None
        except DatabaseError as error:
            raise away(error) from None
        except StoreError as error:
            raise Problem(503, f"{str(error).capitalize()}.") from None
        except OSError as error:
            raise Problem(503, f"The clip cannot be written: {error.strerror or error}.") from None

    async def delete(self, request: web.Request) -> None:
        recording = await self._found(request)
        try:
            await self._all.removal.remove(recording)
        except RecordingRuns as error:
            raise Problem(409, f"{error}.") from None
        except DatabaseError as error:
            raise away(error) from None
        except OSError as error:
            raise Problem(503, f"A file cannot be deleted: {error.strerror}.") from None

    async def _found(self, request: web.Request) -> Recording:
        try:
            found = await self._all.index.tables().get(request.match_info["recording"])
        except DatabaseError as error:
            raise away(error) from None
        if found is None:
            raise no_recording()
        return found

    def _recorder(self) -> RecordingControl:
        recorder = self._all.recorder
        if recorder is None:
            raise Problem(503, "This server records nothing.")
        return recorder


def _listed(recording: Recording) -> ListedRecording:
    return ListedRecording(**asdict(recording), url=f"/recordings/{recording.id}/index.m3u8")


def _cursor(request: web.Request) -> PageEnd | None:
    text = request.query.get("cursor")
    if text is None:
        return None
    at, _, id = text.partition(",")
    try:
        return PageEnd(float(at), id)
    except ValueError:
        raise Problem(422, "cursor: what `next` of the page before held is expected.") from None

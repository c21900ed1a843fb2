"""What `headend status` shows: a line about the server, and two tables."""

from collections.abc import Sequence
from typing import Final

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from headend.http.api import models
from headend.live.status import SessionStatus, StreamStatus
from headend.logs import escape

WIDE: Final = 110  # columns; narrower terminals get fewer of them in the tables
HEAD_LINES: Final = 3
TABLE_LINES: Final = 4  # title, head, a line about the rest, and a blank one
NOTES: Final = 5  # streams of which a narrow terminal is told below the table what is wrong


def tables(event: models.Event, width: int, height: int) -> RenderableType:
    """Lay an update out for a terminal.

    Args:
        event: What the server tells.
        width: Of the terminal, in columns.
        height: Of the terminal, in lines; streams come first, then as many sessions as fit.
    """
    notes = [] if width >= WIDE else _notes(event.streams)
    lines = HEAD_LINES + len(event.server.workers)
    room = max(0, height - lines - 2 * TABLE_LINES - len(notes))
    streams = event.streams[: max(room - min(len(event.sessions), room // 3), 1)]
    sessions = event.sessions[: max(room - len(streams), 1)]
    return Group(
        _server(event.server),
        _streams(streams, len(event.streams) + event.more_streams, width),
        *notes,
        _sessions(sessions, len(event.sessions) + event.more_sessions, width),
    )


def _server(server: models.Server) -> Text:
    state = f"up {duration(server.uptime_s)}"
    if server.is_stopping or server.is_draining:
        state = "stopping" if server.is_stopping else "draining"
    return Text(
        f"headend {server.version}, {state}\n"
        f"streams {server.streams}   sessions {server.sessions}   viewers {server.viewers}   "
        f"in {bit_rate(server.bit_rate_in)}   out {bit_rate(server.bit_rate_out)}   "
        f"memory {server.memory_bytes / 2**20:.0f} MiB   "
        f"loop {server.loop_lag_s * 1000:.0f} ms behind\n" + "".join(map(_worker, server.workers))
    )


def _worker(worker: models.Worker) -> str:
    return (
        f"worker {worker.worker}: sessions {worker.sessions}   viewers {worker.viewers}   "
        f"out {bit_rate(worker.bit_rate_out)}   memory {worker.memory_bytes / 2**20:.0f} MiB   "
        f"loop {worker.loop_lag_s * 1000:.0f} ms behind\n"
    )


def _streams(streams: list[StreamStatus], total: int, width: int) -> Table:
    table = _table("Streams", total - len(streams))
    is_wide = width >= WIDE
    for name in ("stream", "state", "up", "codecs", "in", "frames/s", "viewers"):
        table.add_column(name, justify="left" if name in ("stream", "state", "codecs") else "right")
    if is_wide:
        table.add_column("out", justify="right")
        table.add_column("health")
    for stream in streams:
        warnings = _warnings(stream)
        viewers = str(stream.viewers) + (f" ({stream.late} late)" if stream.late else "")
        cells = [
            escape(stream.path),
            stream.state,
            "" if stream.uptime_s is None else duration(stream.uptime_s),
            _codecs(stream),
            bit_rate(stream.bit_rate),
            f"{stream.frame_rate:.1f}",
            viewers,
        ]
        if is_wide:
            cells += [bit_rate(stream.bit_rate_out), "; ".join(warnings) or "ok"]
        table.add_row(*map(Text, cells), style="yellow" if warnings else None)
    return table


def _warnings(stream: StreamStatus) -> list[str]:
    return [finding.text for finding in stream.health if finding.level == "warning"]


def _notes(streams: list[StreamStatus]) -> list[Text]:
    """Say of each stream in yellow why it is, where the table has no column for that."""
    warned = [each for each in streams if _warnings(each)]
    lines = [f"{escape(each.path)}: {'; '.join(_warnings(each))}" for each in warned[:NOTES]]
    if len(warned) > NOTES:
        lines.append(f"and {len(warned) - NOTES} more in yellow")
    return [Text(line, style="yellow", no_wrap=True, overflow="ellipsis") for line in lines]


def _codecs(stream: StreamStatus) -> str:
    words = []
    for track in stream.tracks:
        size = f" {track.width}×{track.height}" if track.width else ""
        words.append(f"{track.codec}{size}")
    return ", ".join(words)


def _sessions(sessions: list[SessionStatus], total: int, width: int) -> Table:
    table = _table("Sessions", total - len(sessions))
    is_wide = width >= WIDE
    for name in ("id", "protocol", "peer", "for", "publishes", "plays"):
        table.add_column(name, justify="right" if name in ("id", "for") else "left")
    if is_wide:
        table.add_column("received", justify="right")
        table.add_column("sent", justify="right")
    for session in sessions:
        cells = [
            str(session.id),
            session.protocol,
            session.peer,
            duration(session.connected_s),
            escape(", ".join(session.publishes)),
            escape(", ".join(session.plays)),
        ]
        if is_wide:
            cells += [size(session.bytes_in), size(session.bytes_out)]
        table.add_row(*map(Text, cells))
    return table


def _table(title: str, hidden: int) -> Table:
    return Table(
        title=title,
        title_justify="left",
        caption=f"and {hidden} more" if hidden else None,
        caption_justify="left",
        box=None,
        header_style="bold",
        pad_edge=False,
        expand=False,
    )


def duration(seconds: float) -> str:
    """Write a time as `4:05`, `1:04:05` or `2d 01:04`."""
    minutes, second = divmod(int(seconds), 60)
    hours, minute = divmod(minutes, 60)
    days, hour = divmod(hours, 24)
    if days:
        return f"{days}d {hour:02}:{minute:02}"
    return f"{hour}:{minute:02}:{second:02}" if hour else f"{minute}:{second:02}"


def bit_rate(value: float) -> str:
    """Write bit/s as `950 kbit/s`."""
    return _scaled(value, ("bit/s", "kbit/s", "Mbit/s", "Gbit/s"))


def size(value: float) -> str:
    """Write bytes as `1.5 MB`."""
    return _scaled(value, ("B", "kB", "MB", "GB"))


def _scaled(value: float, units: Sequence[str]) -> str:
    step = 0
    while value >= 999.5 and step < len(units) - 1:
        value /= 1000
        step += 1
    digits = 0 if value >= 99.5 or step == 0 else 1 if value >= 9.95 else 2
    return f"{value:.{digits}f} {units[step]}"

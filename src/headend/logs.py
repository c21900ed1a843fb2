"""The log: one line for each fact, as text or as JSON, on stderr or in a file.

What a peer sent may stand in any message: control characters are escaped, so that it can't add a
line or command a terminal, its length is capped, and what looks like a key is hidden, as a last
defence.
"""

import json
import logging
import math
import os
import re
import sys
import traceback
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, Literal, TextIO

from headend.log_writer import CLOSE_S, FileWriter, LineWriter, open_file
from headend.redaction import HIDDEN, is_secret_name, redact

# Longer than any honest name, shorter than what would bury the line's other facts.
VALUE_CHARACTERS: Final = 200

# Of a whole message, for values that come in by other ways than an argument.
MESSAGE_CHARACTERS: Final = 2000

# A message that was made beforehand: its argument is no value of a peer, it has shown those itself.
_LINE: Final = "%s"

# Often enough to see that it goes on, seldom enough not to fill a disk.
REPEATS_PERIOD_S: Final = 60.0

_HANDLER: Final = "headend"

# C0, DEL, C1, line and paragraph separators, the marks that change the direction of text, and
# surrogates, which have no UTF-8.
_CONTROL: Final = re.compile(
    "[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]"
)
Level = Literal["debug", "info", "warning", "error"]
Format = Literal["text", "json"]


def configure(
    level: Level = "info",
    log_format: Format = "text",
    stream: TextIO | None = None,
    file: Path | None = None,
) -> None:
    """Send the log to stderr or a file; called again, it replaces what it set up before.

    Args:
        level: Least level of Headend's own lines. Libraries get a word from warnings on.
        log_format: `text`, or `json` for one object a line.
        stream: Where to write; None for stderr.
        file: Where to write in place of the stream.
    """
    root = logging.getLogger()
    handler = _handler(stream or sys.stderr) if file is None else _file_handler(file)
    for old in [each for each in root.handlers if each.name == _HANDLER and each is not handler]:
        root.removeHandler(old)
        old.close()
    with_traceback = level == "debug"
    handler.setFormatter(
        JsonFormatter(with_traceback=with_traceback)
        if log_format == "json"
        else TextFormatter(with_traceback=with_traceback)
    )
    root.addHandler(handler)
    root.setLevel(logging.WARNING)
    logging.getLogger("headend").setLevel(level.upper())
    logging.captureWarnings(True)


def check_file(path: Path) -> None:
    """Look whether a file of the log can be written; it is made if it is missing.

    Raises:
        OSError: It cannot.
    """
    os.close(open_file(path))


def flush(timeout_s: float = CLOSE_S) -> None:
    """Wait until the lines so far are written, before the process ends without a goodbye."""
    for handler in logging.getLogger().handlers:
        if isinstance(handler, _LineHandler):
            handler.writer.flush(timeout_s)


def write_without_thread() -> None:
    """Write each line at once or not at all, in this process only: it forks others."""
    for handler in logging.getLogger().handlers:
        if isinstance(handler, _LineHandler):
            handler.flush()
            handler.writer.has_thread = False


def dropped() -> int:
    """Return how many lines were dropped because nobody reads the log, or no disk takes it."""
    handlers = logging.getLogger().handlers
    return sum(each.writer.dropped for each in handlers if isinstance(each, _LineHandler))


class _LineHandler(logging.Handler):
    """Leaves writing to a thread. `logging` itself calls `flush` when the process ends."""

    def __init__(self, to: int | Path) -> None:
        super().__init__()
        self.writer: Final = (
            LineWriter(to, self._tell_dropped)
            if isinstance(to, int)
            else FileWriter(to, self._tell_dropped)
        )

    def emit(self, record: logging.LogRecord) -> None:
        try:
            self.writer.write(self.format(record))
        except Exception:
            self.handleError(record)

    def flush(self) -> None:
        self.writer.flush()

    def close(self) -> None:
        self.writer.close()
        super().close()

    def _tell_dropped(self, count: int) -> str:
        why = "no disk took them"
        if not isinstance(self.writer, FileWriter):
            why = "nobody read the ones before"
        text = f"log: %d lines were dropped, because {why}"
        return self.format(
            logging.LogRecord(__name__, logging.WARNING, __file__, 0, text, (count,), None)
        )


def _handler(stream: TextIO) -> logging.Handler:
    """Return what writes to a stream: by a thread, where it is one of the system's."""
    try:
        fd = stream.fileno()
    except (OSError, ValueError):  # a text in memory
        handler: logging.Handler = logging.StreamHandler(stream)
    else:
        for known in logging.getLogger().handlers:
            if isinstance(known, _LineHandler) and _is_to(known.writer, fd):
                return known
        handler = _LineHandler(fd)
    handler.name = _HANDLER
    return handler


def _file_handler(path: Path) -> logging.Handler:
    for known in logging.getLogger().handlers:
        if isinstance(known, _LineHandler) and _is_to(known.writer, path):
            return known
    handler = _LineHandler(path)
    handler.name = _HANDLER
    return handler


def _is_to(writer: LineWriter, to: int | Path) -> bool:
    return to == (writer.path if isinstance(writer, FileWriter) else writer.fd)


def fields(**values: object) -> dict[str, dict[str, object]]:
    """Give facts to a log call: `log.info("…", extra=fields(app="live", viewers=3))`."""
    return {"fields": values}


def escape(text: str) -> str:
    r"""Show control characters as `\n`, `\x1b` or `\u2028`; the rest stays."""
    return _CONTROL.sub(lambda match: match[0].encode("unicode_escape").decode(), text)


def shown(value: object) -> str:
    """Show a value of a peer: escaped, redacted, at most VALUE_CHARACTERS long."""
    return _cut(redact(escape(str(value))), VALUE_CHARACTERS)


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else text[: most - 1] + "…"


def _is_plain(value: object) -> bool:
    return value is None or isinstance(value, int | float)


def _message(record: logging.LogRecord) -> str:
    # Numbers stay what they are for %d and %.1f.
    args = record.args
    if record.msg == _LINE and isinstance(args, tuple):
        args = tuple(map(str, args))
    elif isinstance(args, Mapping):
        args = {name: each if _is_plain(each) else shown(each) for name, each in args.items()}
    elif args:
        args = tuple(each if _is_plain(each) else shown(each) for each in args)
    message = str(record.msg) % args if args else str(record.msg)
    return _cut(redact(escape(message)), MESSAGE_CHARACTERS)


def _fields(record: logging.LogRecord) -> dict[str, object]:
    values = getattr(record, "fields", {})
    return {name: _field(name, value) for name, value in values.items()}


def _field(name: str, value: object) -> object:
    if is_secret_name(name):
        return HIDDEN
    return value if _is_plain(value) else shown(value)


def _time(record: logging.LogRecord) -> str:
    time = datetime.fromtimestamp(record.created, UTC)
    return time.isoformat(timespec="milliseconds").replace("+00:00", "Z")


class _Formatter(logging.Formatter):
    def __init__(self, *, with_traceback: bool) -> None:
        super().__init__()
        self._with_traceback = with_traceback

    def _error(self, record: logging.LogRecord) -> tuple[str, str]:
        """One line that says which exception and where, and its traceback if wanted."""
        error = record.exc_info[1] if record.exc_info else None
        if error is None:
            return "", ""
        frames = traceback.extract_tb(error.__traceback__)
        where = f" ({frames[-1].filename}:{frames[-1].lineno})" if frames else ""
        line = shown(f"{type(error).__name__}: {error}") + where
        if not self._with_traceback:
            return line, ""
        lines = "".join(traceback.format_exception(error)).splitlines()
        return line, "\n".join(redact(escape(each)) for each in lines)


class TextFormatter(_Formatter):
    """Renders `2026-01-31T12:00:00.000Z INFO rtmp 10.0.0.7:51044 publish a/b accepted fps=30`."""

    def format(self, record: logging.LogRecord) -> str:
        """Render a record as one line; with level debug, a traceback follows, indented."""
        line = f"{_time(record)} {record.levelname} {_message(record)}"
        for name, value in _fields(record).items():
            line += f" {name}={_text(value)}"
        error, trace = self._error(record)
        if error:
            line += f" error={_text(error)}"
        return "\n    ".join([line, *trace.splitlines()])


class JsonFormatter(_Formatter):
    """Renders an object with `time`, `level`, `message` and, where there are any, `fields`."""

    def format(self, record: logging.LogRecord) -> str:
        """Render a record as one line, a traceback included."""
        document: dict[str, object] = {
            "time": _time(record),
            "level": record.levelname.lower(),
            "message": _message(record),
        }
        if values := _fields(record):
            document["fields"] = values
        error, trace = self._error(record)
        if error:
            document["error"] = error
        if trace:
            document["traceback"] = trace
        return json.dumps(document, ensure_ascii=False)


def _text(value: object) -> str:
    text = f"{value:.6g}" if isinstance(value, float) else str(value)
    return json.dumps(text, ensure_ascii=False) if re.search(r'[\s"=]|^$', text) else text


class Repeats:
    """Logs what repeats, such as refused connections, at once and then once a period with a count.

    Args:
        log: Where the lines go.
        what: What repeats, such as `rtmp connections refused`.
        period_s: Seconds between two lines.
        level: Of the lines.
    """

    def __init__(
        self,
        log: logging.Logger,
        what: str,
        period_s: float = REPEATS_PERIOD_S,
        level: int = logging.WARNING,
    ) -> None:
        self._log = log
        self._level = level
        self._what = what
        self._period_s = period_s
        self._due = -math.inf
        self._count = 0
        self._last = ""

    def add(self, line: str, now: float) -> None:
        """Log the line, or count it when one was logged less than a period ago.

        Args:
            line: What happened this time.
            now: Monotonic seconds.
        """
        self.tick(now)
        if now < self._due:
            self._count += 1
            self._last = line
        else:
            self._log.log(self._level, "%s", line)
            self._due = now + self._period_s

    def tick(self, now: float) -> None:
        """Log how many were counted if the period is over, so that the last are told too."""
        if self._count and now >= self._due:
            line = f"{self._what}: {self._count} more in {self._period_s:g} s"
            self._log.log(self._level, "%s", f"{line}, the last: {self._last}")
            self._count = 0
            self._due = now + self._period_s

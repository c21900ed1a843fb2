"""What commands have to say: results on stdout, all else on stderr."""

import json
import logging
import sys

from headend.logs import escape
from headend.redaction import redact


def result(text: str) -> None:
    """Write a result, one or more lines, on stdout."""
    print(text, flush=True)


def result_json(document: object) -> None:
    """Write the one JSON document of a command with `--json` on stdout."""
    result(json.dumps(document, indent=2, ensure_ascii=False))


def note(text: str) -> None:
    """Tell a person something that is no result, in one line on stderr; secrets are hidden."""
    print(redact(escape(text)), file=sys.stderr, flush=True)


def fail(text: str) -> None:
    """Say in one line on stderr what went wrong; the caller ends with an exit code."""
    note(f"headend: {text}")


def tell_log(name: str) -> None:
    """Tell a person what a part of Headend logs from INFO on, as notes."""
    logger = logging.getLogger(name)
    if not any(isinstance(each, _Notes) for each in logger.handlers):
        logger.addHandler(_Notes())
    logger.setLevel(logging.INFO)


class _Notes(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        note(record.getMessage())

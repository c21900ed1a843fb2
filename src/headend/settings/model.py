"""All settings: each with its type, limits, default and a line that describes it."""

import re
from typing import Annotated, Final, Literal

from pydantic import Field, ValidationInfo, field_validator

from headend.settings.auth import Auth
from headend.settings.cluster import Cluster
from headend.settings.hls import Hls
from headend.settings.http import Http
from headend.settings.limits import Limits
from headend.settings.live import Live
from headend.settings.privacy import Audit, Privacy
from headend.settings.record import Record
from headend.settings.relay import Relay
from headend.settings.rtmp import Rtmp
from headend.settings.rules import Rules, StreamRule, check_together
from headend.settings.section import Section
from headend.settings.srt import Srt
from headend.settings.storage import Storage
from headend.settings.texts import text_like
from headend.settings.tls import Tls
from headend.settings.values import (
    Address,
    Folder,
    OptionalFile,
    Workers,
    default_data_folder,
)
from headend.settings.vod import Vod
from headend.settings.webhooks import Webhooks

OBJECT_FORM: Final = 'must be a module, or a module and an object in it, as in "my_hooks:hooks"'
_NAME: Final = r"[^\W\d]\w*(?:\.[^\W\d]\w*)*"
_OBJECT: Final = re.compile(rf"(?:{_NAME}(?::{_NAME})?)?")


class Log(Section):
    """The log, on stderr or in a file."""

    level: Literal["debug", "info", "warning", "error"] = Field(
        default="info",
        description="Lowest level that the server logs: debug, info, warning or error.",
    )
    format: Literal["text", "json"] = Field(
        default="text",
        description="Form of each log entry: a line of text (text) or a JSON object (json).",
    )
    file: OptionalFile = Field(
        default=None,
        description="File that the log goes to in place of stderr; made anew once it is renamed.",
    )


class Settings(Section):
    """All settings, validated and frozen."""

    data: Folder = Field(
        default_factory=default_data_folder,
        description="Folder for the server's state; if empty, the platform's user data folder.",
    )
    workers: Workers = Field(
        default=1,
        description="Processes that serve together, 1 to 64, or auto: one for each core "
        "(docs/scaling.md).",
    )
    hooks: Annotated[str, text_like(_OBJECT, OBJECT_FORM)] = Field(
        default="",
        description='Module of Python hooks, such as "my_hooks" for the file my_hooks.py beside '
        "this one.",
    )
    webhooks: Webhooks = Field(
        default=(),
        description="URLs that receive events: [{ name, url, events, secret }] (docs/hooks.md).",
    )
    rtmp: Rtmp = Rtmp()
    tls: Tls = Tls()
    http: Http = Http()
    srt: Srt = Srt()
    auth: Auth = Auth()
    limits: Limits = Limits()
    live: Live = Live()
    hls: Hls = Hls()
    record: Record = Record()
    storage: Storage = Storage()
    vod: Vod = Vod()
    relay: Relay = Relay()
    cluster: Cluster = Cluster()
    audit: Audit = Audit()
    privacy: Privacy = Privacy()
    log: Log = Log()
    stream: Rules = Field(
        default=(),
        description='Rules for some streams: [[stream]] tables with match = "vip/*" and keys of '
        "the sections.",
    )

    @property
    def tcp_listen(self) -> dict[str, tuple[Address, ...]]:
        """Where the server listens over TCP and on unix sockets, by listener."""
        return {"rtmp": self.rtmp.listen, "tls": self.tls.listen, "http": self.http.listen}

    @field_validator("stream")
    @classmethod
    def _fit_the_sections(
        cls, rules: tuple[StreamRule, ...], info: ValidationInfo
    ) -> tuple[StreamRule, ...]:
        check_together(rules, info.data)
        return rules

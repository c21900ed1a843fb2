"""This module holds all settings: each with its type, limits, default and one line on it."""

from typing import Literal

from pydantic import Field, ValidationInfo, field_validator

from headend.settings.access import Audit, Auth, Privacy
from headend.settings.hook_values import (
    ModuleObject,
    Webhooks,
)
from headend.settings.limits import Limits
from headend.settings.listeners import Http, Rtmp, Tls
from headend.settings.rules import Rules, StreamRule, check_together
from headend.settings.section import Section
from headend.settings.streams import Hls, Live, Relay
from headend.settings.values import (
    Folder,
    default_data_folder,
)


class Log(Section):
    """What is logged, on stderr."""

    level: Literal["debug", "info", "warning", "error"] = Field(
        default="info", description="Least level that is logged: debug, info, warning or error."
    )
    format: Literal["text", "json"] = Field(
        default="text", description="A line of text or a JSON object for each fact."
    )


class Settings(Section):
    """All settings, validated and frozen."""

    data: Folder = Field(
        default_factory=default_data_folder,
        description="Folder for the server's state; empty: the platform's user data folder.",
    )
    hooks: ModuleObject = Field(
        default="",
        description='Python hooks, such as "my_hooks" for my_hooks.py beside this file.',
    )
    webhooks: Webhooks = Field(
        default=(),
        description="Who is told what happens: [{ name, url, events, secret }] (docs/hooks.md).",
    )
    rtmp: Rtmp = Rtmp()
    tls: Tls = Tls()
    http: Http = Http()
    auth: Auth = Auth()
    limits: Limits = Limits()
    live: Live = Live()
    hls: Hls = Hls()
    relay: Relay = Relay()
    audit: Audit = Audit()
    privacy: Privacy = Privacy()
    log: Log = Log()
    stream: Rules = Field(
        default=(),
        description='Rules for some streams: [[stream]] with match = "vip/*" and keys of sections.',
    )

    @field_validator("stream")
    @classmethod
    def _fit_the_sections(
        cls, rules: tuple[StreamRule, ...], info: ValidationInfo
    ) -> tuple[StreamRule, ...]:
        check_together(rules, info.data)
        return rules

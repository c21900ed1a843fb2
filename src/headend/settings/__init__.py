"""The typed settings: TOML file, environment, flags."""

from headend.settings.auth import Auth
from headend.settings.declared import DeclaredKey, DeclaredToken, DeclaredUser
from headend.settings.edit import edited, is_editable
from headend.settings.http import Http
from headend.settings.keys import (
    KEYS,
    NEEDS_RESTART,
    SECTIONS,
    changed_keys,
    example_toml,
    get,
    plain_values,
    secret_values,
    shown,
)
from headend.settings.limits import Limits
from headend.settings.live import Live
from headend.settings.model import Log, Settings
from headend.settings.reference import reference, takes
from headend.settings.rtmp import Rtmp
from headend.settings.rules import plain_value
from headend.settings.sources import (
    FLAGS,
    GivenSettings,
    LoadedSettings,
    load_settings,
    read_text,
    settings_of,
)
from headend.settings.srt import Srt
from headend.settings.stream_rules import RuleBook, StreamRules
from headend.settings.tls import Acme, CertificatePair, Tls
from headend.settings.values import Address, parse_address

__all__ = [
    "FLAGS",
    "KEYS",
    "NEEDS_RESTART",
    "SECTIONS",
    "Acme",
    "Address",
    "Auth",
    "CertificatePair",
    "DeclaredKey",
    "DeclaredToken",
    "DeclaredUser",
    "GivenSettings",
    "Http",
    "Limits",
    "Live",
    "LoadedSettings",
    "Log",
    "Rtmp",
    "RuleBook",
    "Settings",
    "Srt",
    "StreamRules",
    "Tls",
    "changed_keys",
    "edited",
    "example_toml",
    "get",
    "is_editable",
    "load_settings",
    "parse_address",
    "plain_value",
    "plain_values",
    "read_text",
    "reference",
    "secret_values",
    "settings_of",
    "shown",
    "takes",
]

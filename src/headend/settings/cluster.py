"""Settings of a cluster: several servers that share their streams."""

import re
from typing import Annotated, Final, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr

from headend.settings.section import Section
from headend.settings.texts import text_like, texts
from headend.settings.values import OptionalFile, Seconds

LEAST_SECRET: Final = 16  # characters
_NODE: Final = re.compile(r"[\w.-]{0,64}", re.ASCII)
_NODE_FORM: Final = 'must be a name of letters, digits, dots and dashes such as "edge-1"'
_ADVERTISE_FORM: Final = 'must be a list of URLs without a path, such as ["rtmp://10.0.0.1:1935", "http://10.0.0.1:8080"]'


def _redis(value: SecretStr) -> SecretStr:
    url = value.get_secret_value()
    if url and not re.fullmatch(r"(?:rediss?|unix)://\S+", url):
        raise ValueError("must be redis://HOST:PORT, rediss://… or unix:///PATH; empty: alone")
    return value


def _secret(value: SecretStr) -> SecretStr:
    size = len(value.get_secret_value())
    if size and size < LEAST_SECRET:
        raise ValueError(f"must have at least {LEAST_SECRET} characters")
    return value


def _advertise(value: object) -> tuple[str, ...]:
    return texts(value, _is_place, _ADVERTISE_FORM)


def _is_place(text: str) -> bool:
    try:
        url = urlsplit(text)
        is_whole = bool(url.hostname) and (url.port is None or url.port > 0)
    except ValueError:
        return False
    is_bare = url.path in ("", "/") and not (url.query or url.fragment or url.username)
    return url.scheme in ("rtmp", "rtmps", "http", "https") and is_whole and is_bare


class Cluster(Section):
    """A cluster: servers that share their streams by way of Redis."""

    redis: Annotated[SecretStr, AfterValidator(_redis)] = Field(
        default=SecretStr(""),
        description="Redis through which the servers of a cluster find each other, such as "
        "redis://HOST:6379/0; empty: this server is alone.",
    )
    node: Annotated[str, text_like(_NODE, _NODE_FORM)] = Field(
        default="",
        description="Name of this server in the cluster, another one on each; empty: the name of "
        "the machine.",
    )
    advertise: Annotated[tuple[str, ...], BeforeValidator(_advertise)] = Field(
        default=(),
        description="URLs under which the other servers reach this one, rtmp(s) and http(s); []: "
        "the machine's name and the ports.",
    )
    public: Annotated[tuple[str, ...], BeforeValidator(_advertise)] = Field(
        default=(),
        description="URLs under which clients reach this server, rtmp(s) and http(s), where other "
        "servers send theirs while they drain; []: those of cluster.advertise.",
    )
    secret: Annotated[SecretStr, AfterValidator(_secret)] = Field(
        default=SecretStr(""),
        description="Secret of all servers of the cluster, at least 16 characters.",
    )
    ca: OptionalFile = Field(
        default=None,
        description="PEM file of authorities that certificates of the other servers are checked "
        "with; empty: the system's.",
    )
    lease_s: Seconds = Field(
        default=10,
        ge=2,
        le=300,
        description="Seconds after which a server that gives no sign loses its streams' names.",
    )
    drain_s: Seconds = Field(
        default=30,
        ge=0,
        le=3600,
        description="Seconds that a drain gives publishers and players to leave; then the server "
        "stops. In a cluster SIGTERM drains first; 0: it stops at once.",
    )
    on_directory_error: Literal["allow", "deny"] = Field(
        default="allow",
        description="Whether streams may begin while Redis does not answer: allow or deny.",
    )

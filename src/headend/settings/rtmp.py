"""Settings of RTMP."""

from typing import Literal

from pydantic import Field

from headend.settings.section import Section
from headend.settings.values import KIB, Address, Listen, Networks, Patterns, Size


class Rtmp(Section):
    """RTMP listeners, and the values that they announce."""

    listen: Listen = Field(
        default=(Address(port=1935),), description="Addresses that listen for RTMP; off: none."
    )
    chunk_size: Size = Field(
        default=65_536,
        ge=128,
        le=0xFFFFFF,
        description="Size of the chunks that the server sends and announces to every peer.",
    )
    window_size: Size = Field(
        default=2_500_000,
        ge=4 * KIB,
        le=2**31 - 1,
        description="Bytes after which a peer must acknowledge what it received.",
    )
    proxy_protocol_from: Networks = Field(
        default=(),
        description="Networks of load balancers that send a PROXY protocol header, version 1 or 2.",
    )
    require_tls: Literal["never", "publish", "always"] = Field(
        default="never",
        description="Peers that must use RTMPS: nobody (never), publishers (publish) or "
        "everybody (always).",
    )
    tls_only: Patterns = Field(
        default=(),
        description='Streams that are published and played over TLS only, such as ["vip/*"].',
    )

"""Settings of the listeners: RTMP, TLS and HTTP."""

from typing import Literal

from pydantic import Field, ValidationInfo, field_validator

from headend.settings.acme_values import DirectoryUrl, Domains, Email
from headend.settings.http_values import Hosts, Origins
from headend.settings.section import Section
from headend.settings.values import (
    KIB,
    Address,
    Certificates,
    Listen,
    Networks,
    OptionalFile,
    Patterns,
    Seconds,
    Size,
)


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


class Acme(Section):
    """Certificates that the server gets and renews by itself (RFC 8555)."""

    domains: Domains = Field(
        default=(),
        description='Host names to get a certificate for, such as ["live.example.com"]; []: none.',
    )
    email: Email = Field(
        default="", description="E-mail address to which the authority reports problems."
    )
    directory: DirectoryUrl = Field(
        default="https://acme-v02.api.letsencrypt.org/directory",
        description="URL of the authority's directory. By naming domains you agree to its terms "
        "of service.",
    )
    ca: OptionalFile = Field(
        default=None,
        description="PEM file of authorities to trust for the directory's URL; if empty, the "
        "system's authorities.",
    )


class Tls(Section):
    """RTMPS and HTTPS listeners."""

    listen: Listen = Field(
        default=(Address(port=1936),),
        description="Addresses that listen for RTMPS and HTTPS; off: none.",
    )
    certificates: Certificates = Field(
        default=(),
        description='[{ cert = "chain.pem", key = "key.pem" }]; the first is the default; []: '
        "self-signed.",
    )
    profile: Literal["intermediate", "modern"] = Field(
        default="intermediate",
        description="Mozilla's TLS profile: intermediate (TLS 1.2 and 1.3) or modern (TLS 1.3 "
        "only).",
    )
    client_ca: OptionalFile = Field(
        default=None,
        description="PEM file of the authorities whose client certificates the server accepts.",
    )
    client_auth: Literal["off", "optional", "required"] = Field(
        default="off",
        description="Whether the server asks clients for a certificate: off, optional or required.",
    )
    hsts_s: Seconds = Field(
        default=0,
        ge=0,
        le=63_072_000,
        description="Seconds for which browsers must use HTTPS for this host (HSTS); 0: browsers "
        "are not told.",
    )
    acme: Acme = Acme()

    @field_validator("client_auth")
    @classmethod
    def _need_authorities(cls, client_auth: str, info: ValidationInfo) -> str:
        # A client_ca that is wrong itself is not in info.data.
        if client_auth != "off" and info.data.get("client_ca", ...) is None:
            raise ValueError("needs tls.client_ca, a file of certificate authorities")
        return client_auth


class Http(Section):
    """HTTP: streams for browsers, player page, console, API, metrics; the TLS port has it too."""

    listen: Listen = Field(
        default=(Address(port=8080),), description="Addresses that listen for HTTP; off: none."
    )
    origins: Origins = Field(
        default=("*",),
        description="Origins of web pages that may load streams (CORS), such as "
        '["https://example.com"].',
    )
    hosts: Hosts = Field(
        default=(),
        description="Host names that API and console accept, besides addresses and the machine's "
        "own name.",
    )
    proxies: Networks = Field(
        default=(),
        description="Networks of HTTP proxies whose X-Forwarded-For and X-Forwarded-Proto "
        "headers are trusted.",
    )
    thumbnail_s: Seconds = Field(
        default=5, ge=1, le=3600, description="Seconds until the server makes a new thumbnail."
    )

"""This module holds the settings of the listeners: RTMP, TLS and HTTP."""

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
    """RTMP listeners and what they announce."""

    listen: Listen = Field(default=(Address(port=1935),), description="RTMP addresses; off: none.")
    chunk_size: Size = Field(
        default=65_536,
        ge=128,
        le=0xFFFFFF,
        description="Bytes of a chunk we send, announced to every peer.",
    )
    window_size: Size = Field(
        default=2_500_000,
        ge=4 * KIB,
        le=2**31 - 1,
        description="Bytes until peers must acknowledge.",
    )
    proxy_protocol_from: Networks = Field(
        default=(),
        description="Networks of load balancers that send a PROXY protocol v1 or v2 header.",
    )
    require_tls: Literal["never", "publish", "always"] = Field(
        default="never",
        description="Who is sent from RTMP to RTMPS: nobody (never), publishers or all (always).",
    )
    tls_only: Patterns = Field(
        default=(),
        description='Streams taken and given over TLS only, such as ["vip/*"].',
    )


class Acme(Section):
    """Certificates that the server gets and renews by itself (RFC 8555)."""

    domains: Domains = Field(
        default=(),
        description='Names to get a certificate for, such as ["live.example.com"]; []: none.',
    )
    email: Email = Field(
        default="", description="Where the authority may write when something is wrong."
    )
    directory: DirectoryUrl = Field(
        default="https://acme-v02.api.letsencrypt.org/directory",
        description="Directory of the authority; naming domains agrees to its terms of service.",
    )
    ca: OptionalFile = Field(
        default=None,
        description="PEM file to trust for a private authority's directory; empty: the usual ones.",
    )


class Tls(Section):
    """RTMPS and HTTPS listeners."""

    listen: Listen = Field(
        default=(Address(port=1936),), description="RTMPS and HTTPS addresses; off: none."
    )
    certificates: Certificates = Field(
        default=(),
        description='[{ cert = "chain.pem", key = "key.pem" }], first is default; []: self-signed.',
    )
    profile: Literal["intermediate", "modern"] = Field(
        default="intermediate",
        description="Mozilla's profile: intermediate (TLS 1.2 and 1.3) or modern (1.3 only).",
    )
    client_ca: OptionalFile = Field(
        default=None,
        description="PEM file of the authorities whose client certificates are accepted.",
    )
    client_auth: Literal["off", "optional", "required"] = Field(
        default="off",
        description="Whether clients are asked for a certificate: off, optional or required.",
    )
    hsts_s: Seconds = Field(
        default=0,
        ge=0,
        le=63_072_000,
        description="Seconds in which browsers use this host over HTTPS only (HSTS); 0: not told.",
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

    listen: Listen = Field(default=(Address(port=8080),), description="HTTP addresses; off: none.")
    origins: Origins = Field(
        default=("*",),
        description='Web pages that may load streams (CORS), such as ["https://example.com"].',
    )
    hosts: Hosts = Field(
        default=(),
        description="Names of this server for API and console, besides addresses and its own name.",
    )
    proxies: Networks = Field(
        default=(),
        description="Networks of HTTP proxies whose X-Forwarded-For and -Proto are believed.",
    )
    thumbnail_s: Seconds = Field(
        default=5, ge=1, le=3600, description="Seconds until a thumbnail is made anew."
    )

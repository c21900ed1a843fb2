"""Settings of TLS: certificates from files and from an authority, and what clients show."""

import ipaddress
import re
from typing import Annotated, Final, Literal
from urllib.parse import urlsplit

from pydantic import BeforeValidator, Field, ValidationInfo, field_validator

from headend.settings.section import Section
from headend.settings.tables import Table, entries
from headend.settings.texts import listed, shown_item, text_like
from headend.settings.values import Address, File, Listen, OptionalFile, Seconds

CERTIFICATES_FORM: Final = 'must be a list such as [{ cert = "chain.pem", key = "key.pem" }]'
DOMAINS_FORM: Final = 'must be a list of DNS names such as ["live.example.com"]'
EMAIL_FORM: Final = "must be an e-mail address, or empty"
DIRECTORY_FORM: Final = "must be the https:// URL of an ACME directory"

# Of one certificate: Let's Encrypt signs no more, and few others do.
MOST_DOMAINS: Final = 100

# Of RFC 1123 2.1, in the ASCII form of RFC 5891.
_NAME: Final = re.compile(r"(?!-)[a-z0-9-]{1,63}(?<!-)(?:\.(?!-)[a-z0-9-]{1,63}(?<!-))*")
_NAME_CHARACTERS: Final = 253
_EMAIL: Final = re.compile(r"(?:[^@\s,<>]+@[^@\s,<>]+)?")


def _domains(value: object) -> tuple[str, ...]:
    if isinstance(value, str):  # as in the environment
        value = listed(value)
    if not isinstance(value, list | tuple):
        raise ValueError(DOMAINS_FORM)
    names = tuple(dict.fromkeys(_domain(item) for item in value))
    if len(names) > MOST_DOMAINS:
        raise ValueError(f"must be at most {MOST_DOMAINS} names")
    return names


def _domain(item: object) -> str:
    form = f"{DOMAINS_FORM}; {shown_item(item)} is none"
    if not isinstance(item, str):
        raise ValueError(form)
    if item.startswith("*."):
        raise ValueError("must hold no wildcard: that takes a challenge in DNS, which is not ours")
    try:
        name = item.rstrip(".").encode("idna").decode("ascii").lower()
    except UnicodeError:
        raise ValueError(form) from None
    if not _NAME.fullmatch(name) or len(name) > _NAME_CHARACTERS or _is_address(name):
        raise ValueError(form)
    return name


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def _directory(value: object) -> str:
    text = value if isinstance(value, str) else " "
    try:
        url = urlsplit(text)
        is_right = url.scheme == "https" and bool(url.hostname) and url.port != 0
    except ValueError:
        is_right = False
    if not is_right or not text.isprintable() or " " in text:
        raise ValueError(DIRECTORY_FORM)
    return text


Domains = Annotated[
    tuple[str, ...], BeforeValidator(_domains), Field(json_schema_extra={"maxItems": MOST_DOMAINS})
]
Email = Annotated[str, text_like(_EMAIL, EMAIL_FORM)]
DirectoryUrl = Annotated[
    str, BeforeValidator(_directory), Field(json_schema_extra={"format": "uri"})
]


class CertificatePair(Table):
    """Files of a certificate for TLS, in PEM."""

    cert: File = Field(description="The certificate, then those of its chain.")
    key: File = Field(description="Its private key, not encrypted; may be the same file.")


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
    certificates: Annotated[
        tuple[CertificatePair, ...], entries(CertificatePair, CERTIFICATES_FORM, name="cert")
    ] = Field(
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

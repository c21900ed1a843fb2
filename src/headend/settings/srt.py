"""Settings of SRT."""

from typing import Annotated, Final

from pydantic import AfterValidator, Field, SecretStr

from headend.settings.section import Section
from headend.settings.values import Address, Count, Listen
from headend.srt_url import LATENCY_MS, PASSPHRASE_BYTES

_LISTEN_FORM: Final = 'must be UDP addresses such as ":8890"'


def _udp(addresses: tuple[Address, ...]) -> tuple[Address, ...]:
    if any(address.path is not None for address in addresses):
        raise ValueError(_LISTEN_FORM)
    return addresses


def _passphrase(value: SecretStr) -> SecretStr:
    size = len(value.get_secret_value().encode())
    if size and size not in PASSPHRASE_BYTES:
        raise ValueError("must have 10 to 79 bytes, or none: without encryption")
    return value


class StreamSrt(Section):
    """Keys of `srt` that a rule may have too."""

    passphrase: Annotated[SecretStr, AfterValidator(_passphrase)] = Field(
        default=SecretStr(""),
        description="Passphrase that all callers must have, 10 to 79 bytes; empty: no encryption.",
    )


class Srt(StreamSrt):
    """SRT: listeners, latency and encryption; needs the library libsrt."""

    listen: Annotated[Listen, AfterValidator(_udp)] = Field(
        default=(Address(port=8890),),
        description="UDP addresses that listen for SRT where libsrt is installed; off: none.",
    )
    latency_ms: Count = Field(
        default=120,
        ge=LATENCY_MS[0],
        le=LATENCY_MS[-1],
        description="Milliseconds in which a lost packet can be sent again; a caller may ask for "
        "more.",
    )

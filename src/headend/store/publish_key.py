"""A publish key, and what is known of it.

hk_ + 32 characters     the key: what an encoder shows; enough to publish its stream
pk_ + 12 characters     its id: for lists, logs and as user name beside the key as password
"""

from dataclasses import asdict, dataclass, field
from ipaddress import IPv4Address, IPv4Network, IPv6Network
from typing import Annotated, Final, Literal

from pydantic import ConfigDict, Field, PlainSerializer

from headend.decisions import Address

ID_PREFIX: Final = "pk_"
KEY_CHARACTERS: Final = 32  # of 62: 190 bits; FFmpeg and librtmp keep passwords under 50 characters
ID_CHARACTERS: Final = 12
LABEL_CHARACTERS: Final = 200
LOOPBACK: Final = IPv4Address("127.0.0.1")

Network = IPv4Network | IPv6Network
Networks = Annotated[
    tuple[Network, ...],
    PlainSerializer(lambda networks: [str(each) for each in networks], return_type=list[str]),
]


@dataclass(frozen=True, slots=True)
class PublishKey:
    """What is known of a publish key; not the key itself.

    Attributes:
        id: Starts with `pk_`.
        label: Whatever its owner wants to be reminded of.
        expires_at: It is not valid from then on; None: never.
        revoked_at: It is not valid since then; None: it is.
        tls_only: It is valid over TLS only.
        used_at: When it was last accepted.
        used_from: From which address.
        source: Where it is kept: the database, or the settings, which declare it.
    """

    __pydantic_config__ = ConfigDict(
        title="Key", extra="forbid", json_schema_serialization_defaults_required=True
    )

    id: str
    stream: Annotated[str, Field(description="APP/NAME that it publishes.")]
    label: str = ""
    created_at: Annotated[float, Field(description="Unix seconds, as all times.")] = 0.0
    expires_at: float | None = None
    revoked_at: float | None = None
    networks: Annotated[
        Networks, Field(description="From where it is valid; []: from everywhere.")
    ] = ()
    tls_only: bool = False
    priority: Annotated[
        int, Field(description="Of the publishers of a stream the highest is on air.")
    ] = 0
    used_at: float | None = None
    used_from: str | None = None
    source: Annotated[
        Literal["database", "settings"], Field(description="settings: they declare it.")
    ] = "database"

    def is_valid(self, now: float) -> bool:
        """Say whether it is neither revoked nor expired."""
        return self.revoked_at is None and (self.expires_at is None or now < self.expires_at)

    def is_from(self, address: Address | None) -> bool:
        """Say whether it is valid at an address; None: this machine."""
        where = address or LOOPBACK
        return not self.networks or any(where in network for network in self.networks)


@dataclass(frozen=True, slots=True)
class NewKey:
    """A key just made: the only time that it is shown.

    Attributes:
        key: What is known of it.
        secret: The key.
    """

    key: PublishKey
    secret: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class KeyOptions:
    """What a key may do; see `PublishKey`."""

    label: str = ""
    expires_at: float | None = None
    networks: tuple[Network, ...] = ()
    tls_only: bool = False
    priority: int = 0


def document(key: PublishKey) -> dict[str, object]:
    """Return what is known of a key as plain values, for JSON; times are Unix seconds."""
    return asdict(key) | {"networks": [str(network) for network in key.networks]}

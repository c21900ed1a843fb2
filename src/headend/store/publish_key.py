"""A publish key, and what is known of it.

hk_ + 32 characters     the key: what an encoder shows; enough to publish its stream
pk_ + 12 characters     its id: for lists, logs and as user name beside the key as password
"""

from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv4Network, IPv6Network
from typing import Final

from headend.decisions import Address

ID_PREFIX: Final = "pk_"
KEY_CHARACTERS: Final = 32  # of 62: 190 bits; FFmpeg and librtmp keep passwords under 50 characters
ID_CHARACTERS: Final = 12
LABEL_CHARACTERS: Final = 200
LOOPBACK: Final = IPv4Address("127.0.0.1")

Network = IPv4Network | IPv6Network


@dataclass(frozen=True, slots=True)
class PublishKey:
    """What is known of a key; not the key itself.

    Attributes:
        id: Starts with `pk_`.
        stream: `APP/NAME` that it publishes.
        label: Whatever its owner wants to be reminded of.
        created_at: Unix seconds, as all times here.
        expires_at: It is not valid from then on; None: never.
        revoked_at: It is not valid since then; None: it is.
        networks: From where it is valid; empty: from everywhere.
        tls_only: It is valid over TLS only.
        priority: Of the publishers of a stream the highest is on air; the others stand by.
        used_at: When it was last accepted.
        used_from: From which address.
    """

    id: str
    stream: str
    label: str = ""
    created_at: float = 0.0
    expires_at: float | None = None
    revoked_at: float | None = None
    networks: tuple[Network, ...] = ()
    tls_only: bool = False
    priority: int = 0
    used_at: float | None = None
    used_from: str | None = None

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
    return {
        "id": key.id,
        "stream": key.stream,
        "label": key.label,
        "created_at": key.created_at,
        "expires_at": key.expires_at,
        "revoked_at": key.revoked_at,
        "networks": [str(network) for network in key.networks],
        "tls_only": key.tls_only,
        "priority": key.priority,
        "used_at": key.used_at,
        "used_from": key.used_from,
    }

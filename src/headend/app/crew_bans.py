"""What keeps peers out at all workers: wrong attempts that are counted, and encoders barred.

worker 1: wrong key, an administrator ends a stream ── tells ──► all others
"""

from collections.abc import Iterable
from ipaddress import ip_address
from typing import Any, Final

from headend.access.guard import Guard
from headend.decisions import Address
from headend.directory.port import Body, Directory
from headend.directory.values import Member
from headend.live.bars import Bar, Bars
from headend.live.services import Services


class CrewBans:
    """Tells the other workers which peers to keep out, and takes what they tell."""

    def __init__(self, services: Services, directory: Directory) -> None:
        """Begin to tell.

        Args:
            services: What all connections share.
            directory: Passes messages on.
        """
        self._directory: Final = directory
        self._now: Final = services.loop.time
        self._guard: Final[Guard] = services.gate.guard
        self._bars: Final[Bars] = services.bars
        self._guard.told = self._attempt
        self._bars.barred, self._bars.lifted = self._barred, self._lifted

    def _attempt(self, address: Address | None, *, is_right: bool) -> None:
        body = {"address": _text(address), "is_right": is_right}
        self._directory.tell(None, "attempt", body)

    def _barred(self, bar: Bar) -> None:
        body = {
            "path": bar.path,
            "seconds": bar.until - self._now(),
            "holders": sorted(bar.holders),
            "addresses": [_text(each) for each in bar.addresses],
        }
        self._directory.tell(None, "bar", body)

    def _lifted(self, path: str) -> None:
        self._directory.tell(None, "lift", {"path": path})

    # ------------------------------------------------------------------ what the directory tells

    def owner_changed(self, path: str) -> None:
        """Do nothing: it is about streams."""

    def message(self, sender: Member, kind: str, body: Body) -> None:
        """Keep out whom another worker keeps out."""
        values: Any = body
        if kind == "attempt":
            address = _address(values["address"])
            self._guard.hear(address, self._now(), is_right=values["is_right"])
        elif kind == "bar":
            holders, addresses = frozenset(values["holders"]), _addresses(values["addresses"])
            until = self._now() + values["seconds"]
            self._bars.take(Bar(values["path"], until, holders, addresses))
        elif kind == "lift":
            self._bars.forget(values["path"])


def _text(address: Address | None) -> str:
    return "" if address is None else str(address)


def _address(text: str) -> Address | None:
    return ip_address(text) if text else None


def _addresses(texts: Iterable[str]) -> frozenset[Address]:
    return frozenset(ip_address(each) for each in texts)

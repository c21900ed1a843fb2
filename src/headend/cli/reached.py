"""How a server is reached from other machines, as far as a command beside it knows."""

from collections.abc import Mapping, Sequence
from ipaddress import ip_address
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from headend.settings import Settings


def addresses(settings: "Settings") -> Mapping[str, Sequence[str]]:
    """Return where the server of the data folder listens, or will by its settings."""
    from headend.app.running_file import find
    from headend.errors import HeadendError

    try:
        running = find(settings.data)
    except HeadendError:
        running = None
    if running is not None:
        return {"rtmp": running.rtmp, "tls": running.tls}
    return {
        "rtmp": [str(each) for each in settings.rtmp.listen],
        "tls": [str(each) for each in settings.tls.listen],
    }


def public_host(settings: "Settings") -> str:
    """Return the name or address by which others most likely reach this machine."""
    named = (*settings.tls.acme.domains, *settings.http.hosts)
    if named:
        return named[0]
    from headend.tls.self_signed import machine_names

    names = machine_names()
    outer = [name for name in names if _is_outer(name)]
    return outer[0] if outer else names[1] if len(names) > 1 else "localhost"


def _is_outer(name: str) -> bool:
    try:
        address = ip_address(name)
    except ValueError:
        return False
    return address.version == 4 and not (address.is_loopback or address.is_link_local)

"""The wait of an RTMP connect until user and password are checked."""

from collections.abc import Coroutine
from typing import Final

from headend.access.passwords import SignIn
from headend.decisions import AccessRequest
from headend.errors import Refusal, Rejected
from headend.live.services import Services
from headend.net.peer import Peer
from headend.rtmp.authmod import PREFIX
from headend.rtmp.events import ConnectCommand

CONNECTION: Final = 0  # message stream of a connect


def sign_in(
    services: Services, request: ConnectCommand, peer: Peer
) -> Coroutine[None, None, str] | None:
    """Return the coroutine that decides on a connect; None: it is granted without a check.

    Args:
        services: Services of the server that has the keys.
        request: The connect of the peer.
        peer: Address of the peer.

    Returns:
        A coroutine for the id of the key that the peer holds; it raises Rejected.
    """
    asked = services.access.passwords.concerns(request)
    return None if asked is None else _decide(services, asked, peer)


async def _decide(services: Services, asked: SignIn, peer: Peer) -> str:
    gate, address = services.gate, peer.address
    request = AccessRequest("publish", asked.target.app, address, is_unknown=peer.is_unknown)
    gate.check_ban(request)
    try:
        return await services.access.passwords.sign_in(asked, address)
    except Rejected as rejected:
        if rejected.refusal is Refusal.WRONG_SECRET:
            await gate.wrong(request)
        raise


def why_rejected(rejected: Rejected) -> str:
    """Say in plain words for the log why a sign-in was refused.

    The encoder is told the same in the form that its kind of challenge prescribes.
    """
    if rejected.refusal is Refusal.WRONG_SECRET:
        return "user and password do not go together"
    if rejected.description.startswith(PREFIX):
        return "user and password are asked for"
    return rejected.description

"""The way to a granted stream: connect, say who we are, follow redirects."""

import asyncio
import os
from dataclasses import dataclass
from typing import Final

from headend.client.connection import ClientConnection, ServerRefused
from headend.client.sockets import open_streams
from headend.client.timeouts import Timeouts
from headend.errors import Refusal, Rejected, RelayError
from headend.net.places import LookUp
from headend.net.tls_client import TlsOptions
from headend.rtmp import auth_answer
from headend.rtmp.client import ClientSession, ClientSettings
from headend.rtmp.client_requests import Action
from headend.rtmp.handshake import CLIENT_FILLER_SIZE
from headend.rtmp.redirect import follow
from headend.rtmp.url import Url

MAX_REDIRECTS: Final = 3
AUTH_STEPS: Final = 2  # who we are, then the answer to the challenge
NONCE_BYTES: Final = 4  # eight hexadecimal digits, as librtmp and FFmpeg send


@dataclass(frozen=True, slots=True)
class Ask:
    """What is asked of a server of RTMP.

    Attributes:
        action: Publish or play.
        is_enhanced: Say that we know Enhanced RTMP.
        tls: Whom to trust; None: the authorities of the system.
        timeouts: How long each step may take.
        look_up: Says where connections may go, those by redirects too.
    """

    action: Action
    is_enhanced: bool
    tls: TlsOptions | None
    timeouts: Timeouts
    look_up: LookUp


async def connect(url: Url, ask: Ask) -> ClientConnection:
    """Connect until the stream is granted; the caller closes the connection.

    Raises:
        SettingsError: A file of `tls` is wrong.
        Rejected: The server refuses; holds its code.
        RelayError: The server cannot be reached, is not to be trusted, redirects for ever, or from
            outside to an inner address.
        ProtocolError: The server broke the protocol, took too long, or redirects from TLS to none.
    """
    auth, auth_steps = "", 0
    redirects = 0
    while True:
        try:
            return await _connect_once(url, ask, auth)
        except ServerRefused as refusal:
            if refusal.redirect:
                redirects += 1
                if redirects > MAX_REDIRECTS:
                    raise RelayError(
                        f"{url.place} redirects more than {MAX_REDIRECTS} times"
                    ) from None
                url, auth, auth_steps = follow(url, refusal.redirect), "", 0
                continue
            answer = _answer(url, refusal) if auth_steps < AUTH_STEPS else None
            if answer is None:
                raise _explained(url, refusal) from None
            auth, auth_steps = answer, auth_steps + 1


async def _connect_once(url: Url, ask: Ask, auth: str) -> ClientConnection:
    timeouts = ask.timeouts
    reader, writer = await open_streams(url, ask.tls, timeouts, ask.look_up)
    settings = ClientSettings(
        url,
        ask.action,
        is_enhanced=ask.is_enhanced,
        auth=auth,
        handshake_s=timeouts.handshake_s,
        start_s=timeouts.command_s,
        silence_s=timeouts.silence_s,
    )
    now = asyncio.get_running_loop().time()
    session = ClientSession(settings, os.urandom(CLIENT_FILLER_SIZE), now)
    connection = ClientConnection(reader, writer, session, timeouts, url)
    try:
        await connection.start()
    except BaseException as error:
        await connection.close()
        if isinstance(error, RelayError) and not connection.has_heard and not url.is_tls:
            # As a server does that speaks TLS there, and takes our handshake for nonsense.
            text = f"{url.place} closed the connection without a word; is it rtmps:// there?"
            raise RelayError(text) from error
        raise
    return connection


def _answer(url: Url, refusal: ServerRefused) -> str | None:
    """Return what to add to the next connect; None: it would not help."""
    if url.user is None:
        return None
    nonce = os.urandom(NONCE_BYTES).hex()
    app = url.connect_app.partition("?")[0]
    return auth_answer.answer(refusal.description, url.user, url.password or "", app, nonce)


def _explained(url: Url, refusal: ServerRefused) -> Rejected:
    """Say in words what a refusal means that was written for programs."""
    if auth_answer.has_failed(refusal.description):
        return Rejected(Refusal.REMOTE, "user or password is wrong", code=refusal.code)
    if auth_answer.wants_auth(refusal.description):
        if url.user is None:
            words = "it wants a user and a password: rtmp://USER:PASSWORD@HOST/…"
            return Rejected(Refusal.REMOTE, words, code=refusal.code)
        return Rejected(Refusal.REMOTE, "user or password is wrong", code=refusal.code)
    return Rejected(Refusal.REMOTE, refusal.description, code=refusal.code)

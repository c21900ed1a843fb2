"""Publishers who sign in by user and password: authmod `adobe` and `llnw`.

The user is the id of a publish key, the password the key. Who guesses gets the same answers for a
user that is not there, and each wrong answer counts as a wrong key.
"""

import secrets
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Final

from headend.access.known_keys import KnownKeys
from headend.decisions import Address
from headend.errors import DatabaseError, Refusal, Rejected
from headend.rtmp import authmod
from headend.rtmp.authmod import Challenge, Scheme, SignInAnswer, Verifier
from headend.rtmp.events import ConnectCommand
from headend.rtmp.url import StreamTarget, stream_target
from headend.store.server_secret import ServerSecret

CHALLENGE_S: Final = 60.0  # until the answer; encoders send it at once
CHALLENGES: Final = 10_000  # open at most, 300 bytes each; the oldest is forgotten first
USER_CHARACTERS: Final = 64  # an id of a key has 15


@dataclass(frozen=True, slots=True)
class SignIn:
    """What a connect says of who publishes.

    Attributes:
        target: App and parameters.
        app: As sent, without parameters.
        scheme: That it names; None: it names none, and must.
    """

    target: StreamTarget
    app: str
    scheme: Scheme | None


class Passwords:
    """Sign-ins by user and password.

    Attributes:
        apps: Whose publishers are asked for user and password; replaced on reload.
        offered: How they are asked; replaced on reload.
        asked: Told of each challenge: the answer may come to another worker of this server.
        answered: Told of the nonce of each that was answered: it is good for this once.
    """

    def __init__(self, keys: KnownKeys, secret: ServerSecret) -> None:
        self._keys = keys
        self._secret = secret
        self._open: OrderedDict[str, tuple[Challenge, Address | None, float]] = OrderedDict()
        self.apps: tuple[str, ...] = ()
        self.offered: Scheme = "adobe"
        self.asked: Callable[[Challenge, Address | None], None] = _tell_nobody
        self.answered: Callable[[str], None] = _tell_nobody

    def concerns(self, request: ConnectCommand) -> SignIn | None:
        """Say whether a connect signs in, or must; None: it is none of this module's business.

        Who is not a publisher, or shows a key or token already, needs no password. This is the time
        at which encoders can be asked; whether what they publish needs it is the policy's word.
        """
        target = stream_target(request.app, request.tc_url, "name")
        app = request.app.partition("?")[0].strip("/")
        named = authmod.scheme(target)
        if named is not None:
            return SignIn(target, app, named)
        is_asked = any(fnmatchcase(target.app, pattern) for pattern in self.apps)
        if is_asked and _publishes(request) and not (target.key or target.token):
            return SignIn(target, app, None)
        return None

    async def sign_in(self, asked: SignIn, address: Address | None) -> str:
        """Return the id of the key whose holder this is.

        Raises:
            Rejected: Not yet, or not at all; the description goes to the client as it is.
        """
        scheme = asked.scheme
        if scheme is None:
            raise Rejected(Refusal.DENIED, authmod.need_auth(self.offered))
        answer = authmod.parse_answer(asked.target)
        user = asked.target.query.get("user", "")
        if not user.isprintable() or not 0 < len(user) <= USER_CHARACTERS:
            raise Rejected(Refusal.WRONG_SECRET, authmod.failed(scheme))
        try:
            known = await self._keys.password(user)
        except DatabaseError as error:
            text = "keys cannot be checked just now; try again in a moment"
            raise Rejected(Refusal.UNDECIDED, text) from error
        kept = known or self._nobody(user)
        if answer is None:
            raise Rejected(Refusal.DENIED, self._challenge(scheme, user, kept.salt, address))
        challenge = self._take(answer, address)
        if challenge is None or not authmod.is_right(answer, challenge, kept, asked.app):
            raise Rejected(Refusal.WRONG_SECRET, authmod.failed(scheme))
        return user

    def __len__(self) -> int:
        """Return the number of open challenges."""
        return len(self._open)

    def _nobody(self, user: str) -> Verifier:
        """Make up what is kept of a user that is not there: the same salt each time."""
        salt = self._secret.hash(f"salt {user}").hex()[: 2 * authmod.SALT_BYTES]
        return authmod.verifier(user, secrets.token_hex(), salt)

    def _challenge(self, scheme: Scheme, user: str, salt: str, address: Address | None) -> str:
        challenge = Challenge(scheme, user, secrets.token_hex(authmod.NONCE_BYTES))
        self.expect(challenge, address)
        self.asked(challenge, address)
        return authmod.describe(challenge, salt)

    def expect(self, challenge: Challenge, address: Address | None) -> None:
        """Remember a challenge, of this worker or another one."""
        self._open[challenge.nonce] = (challenge, address, time.monotonic())
        if len(self._open) > CHALLENGES:
            self._open.popitem(last=False)

    def forget(self, nonce: str) -> None:
        """Forget a challenge that was answered at another worker."""
        self._open.pop(nonce, None)

    def _take(self, answer: SignInAnswer, address: Address | None) -> Challenge | None:
        """Return the challenge that is answered; it is good for this once."""
        nonce = answer.nonce
        if not nonce:  # a client that does not repeat it answers the newest
            same = (
                nonce
                for nonce, (challenge, asked, _) in reversed(self._open.items())
                if (challenge.user, asked) == (answer.user, address)
            )
            nonce = next(same, "")
        challenge, asked, at = self._open.pop(nonce, (None, None, 0.0))
        if challenge is not None:
            self.answered(nonce)
        if asked != address or time.monotonic() - at > CHALLENGE_S:
            return None
        return challenge


def _tell_nobody(*_: object) -> None:
    """Tell nobody: this server is alone."""


def _publishes(request: ConnectCommand) -> bool:
    """Say whether a connect is an encoder's, as FFmpeg, librtmp, GStreamer and FMLE write it."""
    kind = request.properties.get("type")
    return kind == "nonprivate" or request.flash_version.startswith("FMLE")

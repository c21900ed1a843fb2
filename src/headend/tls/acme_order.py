"""One certificate from an ACME authority (RFC 8555), ordered in a thread of its own.

    account ─► order ─► each name: challenge ─► the authority comes and looks ─► certificate

The library waits with `time.sleep` and blocking sockets, so nothing here may run in the loop.
"""

import logging
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Final

from acme import challenges as library
from acme import client, errors, messages
from cryptography.hazmat.primitives.asymmetric import ec
from josepy.errors import Error as JoseError
from josepy.jwa import ES256
from josepy.jwk import JWK, JWKEC
from josepy.util import ComparableECKey

from headend import __version__
from headend.errors import HeadendError, causes
from headend.tls.acme_files import private_pem, signing_request
from headend.tls.challenges import Challenges, Kind

if TYPE_CHECKING:
    from requests import Response

log = logging.getLogger(__name__)

REQUEST_S: Final = 30  # one request to the authority
ORDER_S: Final = 180  # from the order to the certificate; Let's Encrypt takes some ten seconds


class AcmeError(HeadendError):
    """No certificate this time.

    Attributes:
        is_unreachable: The authority did not answer at all, so that an early retry harms nobody.
        retry_after_s: Seconds that the authority wants to be left alone; 0 if it did not say.
    """

    def __init__(
        self, reason: str, *, is_unreachable: bool = False, retry_after_s: float = 0.0
    ) -> None:
        super().__init__(" ".join(reason.split()))
        self.is_unreachable: Final = is_unreachable
        self.retry_after_s: Final = retry_after_s


@dataclass(frozen=True, slots=True)
class Wanted:
    """A certificate to get.

    Attributes:
        domains: Its names.
        directory: URL of the authority's directory.
        ca: PEM file to trust for that URL; None for the authorities that everybody trusts.
        email: Where the authority may write; may be empty.
        kinds: Challenges that can be answered, the preferred one first; at least one.
    """

    domains: tuple[str, ...]
    directory: str
    ca: Path | None
    email: str
    kinds: tuple[Kind, ...]


def obtain(wanted: Wanted, key: ec.EllipticCurvePrivateKey, challenges: Challenges) -> bytes:
    """Get a certificate; takes seconds to minutes.

    Args:
        wanted: What, and where from.
        key: Of the account, which is made if the authority does not know it.
        challenges: Answers the authority meanwhile.

    Returns:
        The certificate, its chain and its key in PEM.

    Raises:
        AcmeError: In one line, why not.
    """
    network = client.ClientNetwork(
        JWKEC(key=ComparableECKey(key)),
        alg=ES256,
        user_agent=f"headend/{__version__}",
        timeout=REQUEST_S,
    )
    if wanted.ca is not None:
        network.verify_ssl = str(wanted.ca)  # type: ignore[assignment]  # as requests takes it
    patience = _Patience()
    network.session.hooks["response"].append(patience.look)
    has_directory = False
    try:
        directory = client.ClientV2.get_directory(wanted.directory, network)
        has_directory = True
        return _Authority(network, directory, wanted, challenges).obtain()
    except (HeadendError, errors.Error, JoseError, KeyError) as error:
        raise AcmeError(_words(error), retry_after_s=patience.retry_after_s) from error
    except (OSError, ValueError) as error:  # what requests raises is one of both, or both
        reason = f"{wanted.directory}: {_root_cause(error)}"
        raise AcmeError(reason, is_unreachable=not has_directory) from error
    finally:
        challenges.clear()


class _Patience:
    """Remembers how long the authority wants to be left alone: the library does not tell."""

    def __init__(self) -> None:
        self.retry_after_s = 0.0

    def look(self, response: "Response", **_: object) -> None:
        if response.status_code in (429, 503):  # rate limit; overload
            until = client.ClientV2.retry_after(response, 0)
            self.retry_after_s = max((until - datetime.now()).total_seconds(), 0.0)


class _Authority:
    """The other side of one order."""

    def __init__(
        self,
        network: client.ClientNetwork,
        directory: messages.Directory,
        wanted: Wanted,
        challenges: Challenges,
    ) -> None:
        self._network = network
        self._wanted = wanted
        self._challenges = challenges
        self._client = client.ClientV2(directory, network)

    def obtain(self) -> bytes:
        """Order with the preferred challenge, then with the others, which need orders anew."""
        self._enter_account()
        failures = []
        for preferred in self._wanted.kinds:
            try:
                return self._order(preferred)
            except errors.ValidationError as error:
                reasons = _challenge_failures(error)
                log.warning("acme: %s", "; ".join(reasons))
                failures += reasons
                self._challenges.clear()
        raise AcmeError("; ".join(dict.fromkeys(failures)))

    def _enter_account(self) -> None:
        registration = messages.NewRegistration.from_data(
            email=self._wanted.email or None, terms_of_service_agreed=True
        )
        try:
            self._client.new_account(registration)
        except errors.ConflictError as conflict:  # the account is there: this is its URL
            self._network.account = messages.RegistrationResource(
                body=messages.Registration(), uri=conflict.location
            )

    def _order(self, preferred: Kind) -> bytes:
        key = ec.generate_private_key(ec.SECP256R1())
        order = self._client.new_order(signing_request(key, self._wanted.domains))
        for authorization in order.authorizations:
            if authorization.body.status != messages.STATUS_VALID:
                self._answer(authorization.body, preferred)
        deadline = datetime.now() + timedelta(seconds=ORDER_S)  # the library's clock has no zone
        order = self._client.poll_authorizations(order, deadline)
        order = self._client.finalize_order(order, deadline)
        return str(order.fullchain_pem).encode() + private_pem(key)

    def _answer(self, authorization: messages.Authorization, preferred: Kind) -> None:
        name = authorization.identifier.value
        offered = {_kind(each.chall): each for each in authorization.challenges}
        kind = next((k for k in (preferred, *self._wanted.kinds) if k in offered), None)
        if kind is None:
            raise AcmeError(
                f"{name}: the authority offers {', '.join(sorted(offered)) or 'no challenge'}, "
                f"this server {', '.join(self._wanted.kinds)}"
            )
        challenge = offered[kind]
        assert self._network.key is not None
        answer, authorization_text = challenge.chall.response_and_validation(self._network.key)
        if kind == "tls-alpn-01":
            self._challenges.add_tls(name.lower(), authorization_text)
        else:
            self._challenges.add_http(challenge.chall.encode("token"), authorization_text)
        self._client.answer_challenge(challenge, answer)


def _kind(challenge: library.Challenge) -> str:
    # Those that the library does not know have no type of their own.
    if isinstance(challenge, library.UnrecognizedChallenge):
        return str(challenge.jobj["type"])
    return str(challenge.typ)


def _challenge_failures(error: errors.ValidationError) -> list[str]:
    return [
        f"{failed.body.identifier.value}: {_kind(challenge.chall)}: {_words(challenge.error)}"
        for failed in error.failed_authzrs
        for challenge in failed.body.challenges
        if challenge.error is not None
    ]


def _words(error: Exception) -> str:
    """Say what an authority said; the type of its error is a URN, which tells nobody more."""
    if isinstance(error, errors.IssuanceError):
        error = error.error
    if isinstance(error, messages.Error):
        return error.detail or error.description or error.typ
    if isinstance(error, errors.TimeoutError):
        return f"the authority did not decide within {ORDER_S} s"
    if isinstance(error, HeadendError):
        return str(error)
    return f"{type(error).__name__}: {error}"


def _root_cause(error: BaseException) -> str:
    """Say what the network said, without the layers of the HTTP library around it."""
    *_, first = causes(error)
    return str(getattr(first, "strerror", None) or first)


@library.ChallengeResponse.register
class _TlsAlpn01Response(library.KeyAuthorizationChallengeResponse):
    typ = "tls-alpn-01"


@library.Challenge.register
class _TlsAlpn01(library.KeyAuthorizationChallenge):
    """What the library dropped with its version 5. Source: RFC 8737."""

    response_cls = _TlsAlpn01Response
    typ = response_cls.typ

    def validation(self, account_key: JWK, **_: object) -> str:
        return self.key_authorization(account_key)

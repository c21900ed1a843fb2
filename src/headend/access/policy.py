"""What the settings alone decide about a request to publish or to play."""

from fnmatch import fnmatchcase
from typing import Final

from headend.decisions import AccessRequest, Action
from headend.errors import Refusal, Rejected
from headend.names import KEY_PREFIX
from headend.settings import RuleBook

# For the log: what the operator can do about it. An encoder does not say that it has a password.
HOW_TO_PUBLISH: Final = (
    'make a key with "headend key create {path}", or set auth.publish; '
    'to have encoders asked for user and password, set auth.password_apps = ["{app}"]'
)
HOW_TO_SIGN_IN: Final = (
    "it did not say in its connect that it publishes, so it was not asked; "
    'make a key with "headend key create {path}": user and password are its id and the key'
)


class Policy:
    """What the settings alone decide."""

    def __init__(self, rules: RuleBook, rtmps: str = "rtmps://") -> None:
        """Make a policy.

        Args:
            rules: What the settings say of each stream.
            rtmps: What a peer is told to use that must come over TLS.
        """
        self._rules = rules
        self._auth = rules.settings.auth
        self._require_tls = rules.settings.rtmp.require_tls
        self.rtmps: Final = rtmps

    def check_tls(self, request: AccessRequest) -> None:
        """Return if the request came as securely as it must.

        Raises:
            Rejected: It must come over TLS.
        """
        if not request.is_secure and self.wants_tls(request.action, request.path):
            what = "SRT without a passphrase" if request.protocol == "srt" else "plain RTMP"
            text = f"{what} is not taken here; use {self.rtmps}"
            raise Rejected(Refusal.DENIED, text)

    def check_publish(self, request: AccessRequest) -> None:
        """Return if the request may publish without a key.

        Raises:
            Rejected: It may not.
        """
        if self.is_free(request):
            return
        if self.wants_password(request):
            raise Rejected(
                Refusal.DENIED,
                "publishing to this app needs user and password, or a publish key",
                HOW_TO_SIGN_IN.format(path=request.path),
            )
        raise Rejected(
            Refusal.DENIED,
            "publishing needs a valid publish key here"
            if self._rules.of(request.path).auth.publish == "key"
            else "publishing from another machine needs a publish key",
            HOW_TO_PUBLISH.format(path=request.path, app=request.app),
        )

    def is_free(self, request: AccessRequest) -> bool:
        """Say whether the request may publish without a key."""
        if self._is_certified(request):
            return True
        if self.wants_password(request):
            return False
        mode = self._rules.of(request.path).auth.publish
        return mode == "open" or (mode == "loopback" and request.is_local)

    def wants_password(self, request: AccessRequest) -> bool:
        """Say whether publishers of a stream's app sign in, by password, key or token.

        The name that is published decides: a connect can leave out, or write in many ways, what
        the challenge at its own time goes by.
        """
        return any(fnmatchcase(request.app, pattern) for pattern in self._auth.password_apps)

    def holder_of(self, request: AccessRequest) -> str | None:
        """Name who publishes without a key that is looked up; None: nobody who can be told apart.

        The same one may take its own name over, and counts for `limits.streams_per_key`. A verified
        certificate tells more than a text that anybody can choose.
        """
        if self._is_certified(request):
            return f"certificate:{request.certificate}"
        return None if request.key is None else f"text:{request.key}"

    def _is_certified(self, request: AccessRequest) -> bool:
        return self._auth.certificates and request.certificate is not None

    def shows_key(self, request: AccessRequest) -> bool:
        """Say whether a publish key is to be looked up.

        Where no key is needed, any text may be shown for one: the same text takes the name over.
        What looks like one of our keys is checked even there, or nobody would learn that it is
        wrong before it is needed.
        """
        if request.key_id is not None:
            return True
        key = request.key
        return key is not None and (key.startswith(KEY_PREFIX) or not self.is_free(request))

    def is_private(self, path: str) -> bool:
        """Say whether watching a stream needs a token."""
        return self._rules.of(path).is_private

    def wants_tls(self, action: Action, path: str) -> bool:
        """Say whether the settings want TLS for this."""
        required = self._require_tls
        if required == "always" or (required == "publish" and action == "publish"):
            return True
        return self._rules.of(path).is_tls_only

"""What joins a server to other programs: webhooks, callback, Python hooks.

Each is loaded with the first settings that name it: HTTP takes a third of a second, the database
most of one.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

from headend.access.access import Access
from headend.decisions import Authorizer
from headend.features.feature import Feature, Label
from headend.net.runtime import Runtime
from headend.settings import Settings

if TYPE_CHECKING:
    from prometheus_client.metrics_core import Metric

    from headend.features.routes import Route
    from headend.hooks import Hooks
    from headend.net.outgoing import Outgoing
    from headend.notify.callback import Callback
    from headend.notify.python_hooks import PythonHooks
    from headend.notify.webhooks import Webhooks


class Integrations(Feature):
    """The feature: the webhooks, callback and Python hooks of one server.

    Attributes:
        webhooks: None as long as no settings named any.
        callback: None while the settings name none.
        hooks: None if the settings at the start named none.
    """

    name = "notify"
    ends_last = True  # events that tell how all ended are kept or sent too

    def __init__(
        self,
        runtime: Runtime,
        access: Access,
        node: str = "",
        *,
        folder: Path | None = None,
        own: "Hooks | None" = None,
        tells: bool = True,
    ) -> None:
        """Prepare.

        Args:
            runtime: The loop, the bus and the settings.
            access: Has the database, and the gate whose authorizers ours are put in front of.
            node: Names this server among those that share the database.
            folder: Of the settings file; Python hooks are looked for there too.
            own: Python hooks of the program that embeds the server, in place of those of the
                settings; they run in its loop.
            tells: Events are told here; false: another worker tells them, and this one only asks.
        """
        self._runtime: Final = runtime
        self._access: Final = access
        self._node: Final = node
        self._folder: Final = folder
        self._own: Final = own
        self._tells: Final = tells
        self._ours: list[Authorizer] = []
        self._outgoing: Outgoing | None = None
        self.webhooks: Webhooks | None = None
        self.callback: Callback | None = None
        self.hooks: PythonHooks | None = None

    def start(self) -> None:
        """Begin with what the settings name.

        Raises:
            SettingsError: The Python hooks cannot be loaded.
        """
        settings, own = self._runtime.settings, self._own
        if settings.hooks or own is not None:
            from headend.notify.python_hooks import PythonHooks, load

            auth = settings.auth
            self.hooks = PythonHooks(
                load(settings.hooks, self._folder) if own is None else own,
                auth.hook_timeout_s,
                auth.hook_fail,
                None if own is None else self._runtime.loop,
            )
            if self._tells:
                self.hooks.start(self._runtime.events)
        self.configure(settings)

    def configure(self, settings: Settings) -> None:
        """Take settings that may have changed; other Python hooks need a restart."""
        auth = settings.auth
        if self._outgoing is not None:
            from headend.net.outgoing import Rules

            self._outgoing.rules = Rules.of(auth.outgoing)
        if self.hooks is not None:
            self.hooks.timeout_s, self.hooks.fail = auth.hook_timeout_s, auth.hook_fail
        self._configure_webhooks(settings)
        self._configure_callback(settings)
        hooks = self.hooks if self.hooks is not None and self.hooks.decides else None
        self._put([each for each in (hooks, self.callback) if each is not None])

    def api_routes(self) -> "Sequence[Route]":
        """Return what shows webhooks, and what waits for them."""
        from headend.notify.api import routes

        return routes(self)

    def metrics(self, label: Label) -> "Sequence[Metric]":
        """Return what there is to tell of what the settings name."""
        from headend.notify.metrics import collect

        return tuple(collect(self))

    async def stop(self) -> None:
        """Stop; events that were emitted are safe, or told to the hooks, if that can be done."""
        if self.webhooks is not None:
            await self.webhooks.close()
        if self.hooks is not None:
            await self.hooks.close()
        if self._outgoing is not None:
            await self._outgoing.close()

    def _configure_webhooks(self, settings: Settings) -> None:
        if self.webhooks is not None:
            self.webhooks.configure(settings.webhooks)
        elif settings.webhooks and self._tells:
            from headend.notify.webhooks import Webhooks

            outgoing = self._calls(settings)
            runtime, database = self._runtime, self._access.database
            self.webhooks = Webhooks(
                runtime.loop, runtime.events, outgoing, database, node=self._node
            )
            self.webhooks.configure(settings.webhooks)
            self.webhooks.start()

    def _configure_callback(self, settings: Settings) -> None:
        if not settings.auth.callback_url:
            self.callback = None
        elif self.callback is not None:
            self.callback.configure(settings.auth)
        else:
            from headend.notify.callback import Callback

            self.callback = Callback(self._runtime.loop, settings.auth, self._calls(settings))

    def _calls(self, settings: Settings) -> "Outgoing":
        if self._outgoing is None:
            from headend.net.outgoing import Outgoing, Rules

            rules = Rules.of(settings.auth.outgoing)
            self._outgoing = Outgoing(rules, settings.auth.outgoing_ca)
        return self._outgoing

    def _put(self, ours: list[Authorizer]) -> None:
        authorizers = self._access.gate.authorizers
        others = [each for each in authorizers if each not in self._ours]
        self._ours = ours
        authorizers[:] = [*ours, *others]

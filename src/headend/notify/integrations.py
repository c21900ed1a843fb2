"""What joins a server to other programs: webhooks, callback, Python hooks.

Each is loaded with the first settings that name it: HTTP takes a third of a second, the database
most of one.
"""

from asyncio import AbstractEventLoop
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Final

from headend.decisions import Authorizer
from headend.events import Events
from headend.settings import Settings

if TYPE_CHECKING:
    from headend.hooks import Hooks
    from headend.net.outgoing import Outgoing
    from headend.notify.callback import Callback
    from headend.notify.python_hooks import PythonHooks
    from headend.notify.webhooks import Webhooks
    from headend.store.database import Database


class Integrations:
    """The webhooks, callback and Python hooks of one server; `start` and `close` once each.

    Attributes:
        webhooks: None as long as no settings named any.
        callback: None while the settings name none.
        hooks: None if the settings at the start named none.
    """

    def __init__(
        self,
        loop: AbstractEventLoop,
        bus: Events,
        authorizers: list[Authorizer],
        database: "Callable[[], Awaitable[Database]]",
        node: str = "",
    ) -> None:
        """Prepare.

        Args:
            loop: The running loop.
            bus: Tells what happens.
            authorizers: Of the gate: ours are put in front of the others.
            database: Gives the database once it is open.
            node: Names this server among those that share the database.
        """
        self._loop: Final = loop
        self._bus: Final = bus
        self._authorizers: Final = authorizers
        self._database: Final = database
        self._node: Final = node
        self._ours: list[Authorizer] = []
        self._outgoing: Outgoing | None = None
        self.webhooks: Webhooks | None = None
        self.callback: Callback | None = None
        self.hooks: PythonHooks | None = None

    def start(self, settings: Settings, folder: Path | None, own: "Hooks | None" = None) -> None:
        """Begin.

        Args:
            settings: Name what there is.
            folder: Of the settings file; Python hooks are looked for there too.
            own: Python hooks of the program that embeds the server, in place of those of the
                settings; they run in its loop.

        Raises:
            SettingsError: The Python hooks cannot be loaded.
        """
        if settings.hooks or own is not None:
            from headend.notify.python_hooks import PythonHooks, load

            auth = settings.auth
            self.hooks = PythonHooks(
                load(settings.hooks, folder) if own is None else own,
                auth.hook_timeout_s,
                auth.hook_fail,
                None if own is None else self._loop,
            )
            self.hooks.start(self._bus)
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

    async def close(self) -> None:
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
        elif settings.webhooks:
            from headend.notify.webhooks import Webhooks

            outgoing = self._calls(settings)
            self.webhooks = Webhooks(
                self._loop, self._bus, outgoing, self._database, node=self._node
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

            self.callback = Callback(self._loop, settings.auth, self._calls(settings))

    def _calls(self, settings: Settings) -> "Outgoing":
        if self._outgoing is None:
            from headend.net.outgoing import Outgoing, Rules

            rules = Rules.of(settings.auth.outgoing)
            self._outgoing = Outgoing(rules, settings.auth.outgoing_ca)
        return self._outgoing

    def _put(self, ours: list[Authorizer]) -> None:
        others = [each for each in self._authorizers if each not in self._ours]
        self._ours = ours
        self._authorizers[:] = [*ours, *others]

"""The settings in effect, and their changes while the server runs.

file, SIGHUP, API ─► reload ─┬─► files of features
                             └─► settings ─► check ─► apply ─► log, audit trail
"""

import logging
from collections.abc import Callable, Mapping
from collections.abc import Set as AbstractSet
from pathlib import Path
from time import time

from headend.errors import SettingsError
from headend.features.features import Features
from headend.settings import NEEDS_RESTART, LoadedSettings, Settings, changed_keys
from headend.store.recorder import Recorder
from headend.store.records import AuditEntry, Outcome
from headend.tls.folder_watch import FolderWatch

log = logging.getLogger(__name__)


class Steering:
    """The settings of one server.

    Attributes:
        loaded: The settings in effect, and their sources.
    """

    def __init__(
        self,
        loaded: LoadedSettings,
        features: Callable[[], Features],
        apply: Callable[[Settings], None],
    ) -> None:
        """Take the settings of the start.

        Args:
            loaded: The settings.
            features: Gives the features, once the server runs: they may refuse settings, and have
                files of their own.
            apply: Has the server take other settings.
        """
        self.loaded = loaded
        self._features = features
        self._apply = apply
        self._watch = FolderWatch(self._files_changed)

    @property
    def sources(self) -> Mapping[str, str]:
        """Where each setting came from, if not from its default."""
        return self.loaded.sources

    # ------------------------------------------------------------------ files

    async def watch_files(self) -> None:
        """Reload settings and certificates when their files change, until cancelled."""
        path = self.loaded.path
        if path is not None:  # its folder, because editors replace files
            self._watch.add({path.parent.resolve()})
        self._watch_features()
        await self._watch.run()

    def _watch_features(self) -> None:
        if folders := self._features().files():
            self._watch.add(set(folders))

    def _files_changed(self, changed: AbstractSet[str]) -> None:
        path = self.loaded.path
        if path is not None and any(Path(each).name == path.name for each in changed):
            self.reload()  # what features have in files too
        else:
            self._features().reload()

    # ------------------------------------------------------------------ changes

    def reload(self) -> list[str]:
        """Read settings and files of features again; what needs no restart takes effect at once.

        A wrong file changes nothing.

        Returns:
            What happened, as logged.
        """
        return [*self._features().reload(), *self._reload_settings()]

    def _reload_settings(self) -> list[str]:
        try:
            return self.change(self.loaded.reload())
        except SettingsError as error:
            faults = (str(error), *getattr(error, "__notes__", ()))
            self._note("failed", faults[0])
            return [_say(logging.ERROR, f"settings not reloaded: {fault}") for fault in faults]

    def change(self, loaded: LoadedSettings) -> list[str]:
        """Take other settings; what needs no restart takes effect at once.

        Returns:
            What happened, as logged.

        Raises:
            SettingsError: A feature cannot use them, as with a wrong certificate; nothing changed.
        """
        self._features().check(loaded.settings)
        changed = changed_keys(self.loaded.settings, loaded.settings)
        if not changed:
            return [_say(logging.INFO, "settings reloaded: nothing changed")]
        self.loaded = loaded
        self._apply(loaded.settings)
        self._watch_features()
        self._note("done", ", ".join(changed))
        lines: list[str] = []
        if now := [key for key in changed if key not in NEEDS_RESTART]:
            lines.append(_say(logging.INFO, f"settings reloaded: {', '.join(now)}"))
        if later := [key for key in changed if key in NEEDS_RESTART]:
            lines.append(_say(logging.WARNING, f"settings that need a restart: {', '.join(later)}"))
        return lines

    def _note(self, outcome: Outcome, detail: str) -> None:
        """Note in the audit trail what was done by a file or a signal."""
        entry = AuditEntry(time(), "settings file", "settings.change", "", None, outcome, detail)
        self._features()[Recorder].note(entry)


def _say(level: int, line: str) -> str:
    """Log a line, and return it for whoever asked."""
    log.log(level, "%s", line)
    return line

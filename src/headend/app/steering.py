"""The settings in effect, and their changes while the server runs.

file, SIGHUP, API ─► reload ─┬─► files of features
                             └─► settings ─► check ─► apply ─► log, audit trail
API ─► edit ─► check ─► the file is written ─► apply
"""

import asyncio
import logging
import os
import stat
from collections.abc import Callable, Mapping
from collections.abc import Set as AbstractSet
from pathlib import Path
from time import time

from headend import files
from headend.app.parts import check_log
from headend.errors import SettingsError
from headend.features.features import Features
from headend.settings import (
    NEEDS_RESTART,
    GivenSettings,
    LoadedSettings,
    Settings,
    changed_keys,
    edited,
    read_text,
)
from headend.settings.sources import DEFAULT, FROM_FILE
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
        self._first = loaded.settings
        self._editing = asyncio.Lock()
        self._features = features
        self._apply = apply
        self._watch = FolderWatch(self._files_changed)

    @property
    def sources(self) -> Mapping[str, str]:
        """Where each setting came from, if not from its default."""
        return self.loaded.sources

    @property
    def waiting(self) -> list[str]:
        """Keys whose change takes effect with the next start."""
        changed = changed_keys(self._first, self.loaded.settings)
        return [key for key in changed if key in NEEDS_RESTART]

    # ------------------------------------------------------------------ edits

    @property
    def path(self) -> Path | None:
        """The settings file; None: there is none."""
        return self.loaded.path

    @property
    def fixed(self) -> str:
        """Why settings cannot be edited here; empty: they can."""
        path = self.loaded.path
        if path is None:
            own = isinstance(self.loaded, GivenSettings)
            words = "a program gave the settings" if own else "start it with -c FILE"
            return f"The server has no settings file: {words}."
        target = path.resolve()
        if not (os.access(target, os.W_OK) and os.access(target.parent, os.W_OK)):
            return f"The server may not write {path}."
        return ""

    async def edit(self, changes: Mapping[str, object], *, saves: bool) -> list[str]:
        """Change keys of the settings file; what needs no restart takes effect at once.

        Args:
            changes: Values by key; None takes a key out of the file.
            saves: False: only look whether that would be right.

        Returns:
            What happened, as logged; nothing if it was only looked at.

        Raises:
            SettingsError: The change is wrong, or the file cannot be written; nothing changed.
        """
        async with self._editing:
            if self.fixed or self.loaded.path is None:
                raise SettingsError(self.fixed)
            self._check_sources(changes)
            path = self.loaded.path
            text = edited(await asyncio.to_thread(read_text, path), changes)
            loaded = self.loaded.with_text(text)
            self._check(loaded.settings)
            if not saves:
                return []
            await asyncio.to_thread(_save, path.resolve(), text)
            return self._change(loaded)

    def _check_sources(self, changes: Mapping[str, object]) -> None:
        """Refuse keys of which the file does not decide.

        Raises:
            SettingsError: One is set by something that wins over the file.
        """
        for key in changes:
            source = self.sources.get(key, DEFAULT)
            if source != DEFAULT and not source.startswith(FROM_FILE):
                raise SettingsError(f"{key} is set by {source}, which wins over the file")

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
        self._check(loaded.settings)
        if changed := changed_keys(self.loaded.settings, loaded.settings):
            self._note("done", ", ".join(changed))
        return self._change(loaded)

    def _check(self, settings: Settings) -> None:
        """Look at settings before they are taken.

        Raises:
            SettingsError: They cannot be used.
        """
        if settings.log.file != self.loaded.settings.log.file:
            check_log(settings)
        self._features().check(settings)

    def _change(self, loaded: LoadedSettings) -> list[str]:
        changed = changed_keys(self.loaded.settings, loaded.settings)
        self.loaded = loaded  # also where a value now comes from elsewhere
        if not changed:
            return [_say(logging.INFO, "settings reloaded: nothing changed")]
        self._apply(loaded.settings)
        self._watch_features()
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


def _save(path: Path, text: str) -> None:
    """Write the settings file; its mode stays.

    Raises:
        SettingsError: That failed.
        StorageError: The disk is full or broken.
    """
    try:
        files.write(path, text.encode(), stat.S_IMODE(path.stat().st_mode))
    except OSError as error:
        raise files.fault(f"{path}: cannot be written", error) from error


def _say(level: int, line: str) -> str:
    """Log a line, and return it for the caller."""
    log.log(level, "%s", line)
    return line

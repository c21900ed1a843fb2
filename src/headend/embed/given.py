"""The settings of an embedded server, in the forms that a program may give them in.

What a program starts is its own: nothing listens but what it names, the environment is not read,
and where no data folder is named a temporary one lives as long as the server.
"""

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Final

from headend.errors import SettingsError
from headend.settings import KEYS, GivenSettings, LoadedSettings, Settings, settings_of

Values = Mapping[str, object]

DEFAULTS: Final[Values] = MappingProxyType(
    {"rtmp.listen": "off", "tls.listen": "off", "http.listen": "off", "srt.listen": "off"}
)
NOWHERE: Final = "/nonexistent"  # stands for the temporary folder until that is there


class Given:
    """Settings as the program gave them, and as it changed them since.

    Attributes:
        loaded: The settings in effect.
        needs_folder: No data folder was named.
    """

    def __init__(
        self, settings: Settings | LoadedSettings | Values | None, sections: Values
    ) -> None:
        """Take what the program gives.

        Args:
            settings: A `Settings` object or loaded ones, taken as they are; or values by section or
                by key, over those of DEFAULTS.
            sections: More values.

        Raises:
            SettingsError: A setting is wrong, or sections come with whole settings.
        """
        self._values: dict[str, object] | None = None
        self.needs_folder = False
        if isinstance(settings, Settings | LoadedSettings):
            self.loaded = _whole(settings, sections)
        else:
            self._values = {**DEFAULTS, **_flat(settings or {}), **_flat(sections)}
            self.needs_folder = not self._values.get("data")
            data = NOWHERE if self.needs_folder else self._values["data"]
            self.loaded = settings_of({**self._values, "data": data})

    def use_folder(self, data: Path) -> None:
        """Use a folder as the data folder."""
        settings = self.loaded.settings.model_copy(update={"data": data})
        self.loaded = GivenSettings(settings, self.loaded.sources, None, (), {})

    def changed(
        self, settings: Settings | LoadedSettings | Values | None, sections: Values
    ) -> "Given":
        """Return other settings: whole ones, or values over those given before.

        Raises:
            SettingsError: As when they were given; or values for settings that were given whole.
        """
        if isinstance(settings, Settings | LoadedSettings):
            return Given(settings, sections)
        if self._values is None:
            raise SettingsError("the settings were given whole, and can only be changed so")
        given = Given({**self._values, **_flat(settings or {}), **_flat(sections)}, {})
        if given.needs_folder:
            given.use_folder(self.loaded.settings.data)
        return given


def _whole(settings: Settings | LoadedSettings, sections: Values) -> LoadedSettings:
    if sections:
        raise SettingsError(f"{next(iter(sections))}: the settings are whole already")
    if isinstance(settings, LoadedSettings):
        return settings
    return GivenSettings(settings, dict.fromkeys(KEYS, "program"), None, (), {})


def _flat(values: Values, section: str = "") -> dict[str, object]:
    """Name values by their keys; what is no table stays as it is, and so do unknown names."""
    flat: dict[str, object] = {}
    for name, value in values.items():
        key = f"{section}{name}"
        if isinstance(value, Mapping) and value and key not in KEYS:
            flat |= _flat(value, f"{key}.")
        else:
            flat[key] = value
    return flat

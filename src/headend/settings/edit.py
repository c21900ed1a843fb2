"""Changes of the settings file by a program: one key or several, comments and order kept.

    text of the file ─► tomlkit ─► keys changed or taken out ─► text, read again to be sure

Which keys may be changed so is decided here too. The admin token lets its owner rule the server,
not its machine: what names files, programs or secrets is changed in the file itself.
"""

import tomllib
from collections.abc import Mapping, MutableMapping
from typing import Any, Final

from headend.errors import SettingsError
from headend.settings.keys import KEYS, is_secret
from headend.settings.reference import takes

# What has code loaded, files read or written, or says which servers this one may call.
BY_HAND: Final = frozenset(
    {"hooks", "auth.jwks", "auth.outgoing", "hls.store", "record.store", "storage.endpoint"}
    | {"tls.acme.directory"}
)


def is_editable(key: str) -> bool:
    """Say whether a key may be changed by a program."""
    words = takes(key, KEYS[key])
    is_plain = not words.startswith("a path") and words != "a list of tables"
    return is_plain and key not in BY_HAND and not is_secret(KEYS[key])


def edited(text: str, changes: Mapping[str, object]) -> str:
    """Return a settings file with some keys changed.

    Args:
        text: The file, which is valid TOML.
        changes: Values by key; None takes a key out, so that its default holds.

    Raises:
        SettingsError: A key may not be changed so, or the file is written in a way that needs a
            person.
    """
    for key in changes:
        if key not in KEYS:
            raise SettingsError(f"{key}: there is no such setting")
        if not is_editable(key):
            raise SettingsError(f"{key}: only a person may change it, in the settings file")
    # Not loaded by a server whose settings nobody edits.
    import tomlkit
    from tomlkit.exceptions import TOMLKitError

    try:
        expected = tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        raise SettingsError("the settings file is wrong: see `headend config check`") from None
    try:
        document = tomlkit.parse(text)
        for key, value in changes.items():
            _change(document, key, value, tomlkit.table)
            _change(expected, key, value, dict)
        changed = tomlkit.dumps(document)
        is_right = _filled(tomllib.loads(changed)) == _filled(expected)
    except (TOMLKitError, tomllib.TOMLDecodeError, TypeError):
        is_right = False
    if not is_right:
        raise SettingsError("the settings file has a form that only a person can change")
    return changed


def _filled(table: Mapping[str, Any]) -> dict[str, Any]:
    """Return a table without the sections in which nothing is left."""
    found = {key: _filled(each) if isinstance(each, dict) else each for key, each in table.items()}
    return {key: each for key, each in found.items() if each != {}}


def _change(table: MutableMapping[str, Any], key: str, value: object, make: Any) -> None:
    *sections, name = key.split(".")
    for section in sections:
        if section not in table:
            if value is None:
                return
            table[section] = make()
        table = table[section]
    if value is None:
        table.pop(name, None)
    else:
        table[name] = value

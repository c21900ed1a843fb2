"""Settings as they are loaded, and where each value came from.

A value comes from a flag, else the environment, else the TOML file, else the default. The sources
are read here and not by pydantic-settings (docs/decisions/0003-settings-are-read-here.md).
"""

import difflib
import os
import tomllib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final, NamedTuple, get_origin

from pydantic import ValidationError

from headend.errors import SettingsError
from headend.settings.allowed import wrong
from headend.settings.keys import KEYS, SECTIONS, get, is_secret, secret_values
from headend.settings.model import Settings
from headend.settings.secret_files import SUFFIX, read_secret, takes_file
from headend.settings.tables import ENVIRON
from headend.settings.texts import quoted, typed, unquoted
from headend.settings.toml_faults import explain
from headend.settings.values import default_data_folder

ENVIRONMENT_PREFIX: Final = "HEADEND_"
DEFAULT: Final = "default"
FROM_FILE: Final = "file "

# Flags that stand for one key.
FLAGS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "rtmp.listen": "--rtmp",
        "tls.listen": "--tls",
        "http.listen": "--http",
        "srt.listen": "--srt",
        "data": "--data",
        "workers": "--workers",
        "log.format": "--log-format",
        "log.level": "--log-level",
    }
)

_NOTHING: Final[Mapping[str, str]] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class LoadedSettings:
    """Settings with where they came from.

    Attributes:
        settings: The values, valid and frozen.
        sources: For every key `file headend.toml`, `environment HEADEND_LIVE__WAIT_S`,
            `flag --set`, `flag --rtmp` or `default`.
        path: The TOML file, if any.
        overrides: As given to `load_settings`.
        flags: As given to `load_settings`.
    """

    settings: Settings
    sources: Mapping[str, str]
    path: Path | None
    overrides: tuple[str, ...]
    flags: Mapping[str, str]

    @property
    def has_secrets_in_file(self) -> bool:
        """Say whether the file holds a secret, such as a password or the key of a relay."""
        return any(
            source.startswith(FROM_FILE) and any(secret_values(get(self.settings, key)))
            for key, source in self.sources.items()
        )

    def reload(self, environ: Mapping[str, str] | None = None) -> "LoadedSettings":
        """Load again from the same file and flags; raises as `load_settings` does."""
        return load_settings(self.path, self.overrides, environ, flags=self.flags)

    def with_text(self, text: str) -> "LoadedSettings":
        """Load as `reload` does, as if the file held this text."""
        assert self.path is not None
        return load_settings(self.path, self.overrides, text=text, flags=self.flags)


class GivenSettings(LoadedSettings):
    """Settings that a program gave: there is nothing to read again."""

    __slots__ = ()

    def reload(self, environ: Mapping[str, str] | None = None) -> LoadedSettings:
        return self


class _Given(NamedTuple):
    key: str
    value: object
    source: str
    is_text: bool = False  # of a flag or the environment, which know nothing else


def load_settings(
    path: Path | None,
    overrides: Sequence[str] = (),
    environ: Mapping[str, str] | None = None,
    *,
    text: str | None = None,
    flags: Mapping[str, str] = _NOTHING,
) -> LoadedSettings:
    """Load the settings from all sources.

    Args:
        path: TOML file, or None for none.
        overrides: Texts `section.key=value`, as of `--set`; later ones win.
        environ: Environment; None for that of the process.
        text: What the file is taken to hold; None: it is read.
        flags: Texts of the flags in FLAGS by key; they win over `overrides`.

    Raises:
        SettingsError: One line that names the key, the value, what is allowed and the source.
            Further problems, one line each, are the notes of the exception.
    """
    environ = os.environ if environ is None else environ
    given = [
        *(() if path is None else _read_file(path, read_text(path) if text is None else text)),
        *_read_environment(environ),
        *_read_overrides(overrides),
        *(_Given(key, text, f"flag {FLAGS[key]}", is_text=True) for key, text in flags.items()),
    ]
    settings, sources = _settle(given, environ)
    return LoadedSettings(settings, sources, path, tuple(overrides), MappingProxyType(dict(flags)))


def settings_of(values: Mapping[str, object], source: str = "program") -> GivenSettings:
    """Take settings that a program gives; neither a file nor the environment is read.

    Args:
        values: By section, as in a TOML file, or by key (`live.wait_s`).
        source: What errors call it.

    Raises:
        SettingsError: As `load_settings`.
    """
    settings, sources = _settle(list(_read_table(values, "", source)), os.environ)
    return GivenSettings(settings, sources, None, (), _NOTHING)


def _settle(
    given: Sequence[_Given], environ: Mapping[str, str]
) -> tuple[Settings, Mapping[str, str]]:
    """Settle what holds for each key, the last given winning; return it with where it came from."""
    problems: list[str] = []
    given = [_from_file(each, environ, problems) for each in given]
    last = {each.key: _typed(each, problems) for each in given if each.key in KEYS}
    if not last.get("data", _Given("", "", "")).value:
        last["data"] = _Given("data", default_data_folder(environ), DEFAULT)
    problems += [_explain_unknown(each) for each in given if each.key not in KEYS]
    settings = _validate(last, problems, environ)
    sources = {key: last[key].source if key in last else DEFAULT for key in KEYS}
    return settings, MappingProxyType(sources)


def _from_file(given: _Given, environ: Mapping[str, str], problems: list[str]) -> _Given:
    """Take a secret from the file that `NAME_file` names in its place."""
    key = given.key.removesuffix(SUFFIX)
    if key == given.key or given.key in KEYS or key not in KEYS or not takes_file(KEYS[key]):
        return given
    try:
        value = read_secret(given.value, environ)
    except ValueError as error:
        problems.append(f"{given.key}: {error} ({given.source})")
        value = ""
    return _Given(key, value, given.source)


def _typed(given: _Given, problems: list[str]) -> _Given:
    """Give a text the type that it looks like; note what it only begins to look like."""
    info = KEYS[given.key]
    if not given.is_text or get_origin(info.annotation) is tuple:
        return given  # lists and tables read texts themselves
    text = str(given.value)
    if takes_file(info):
        return given._replace(value=unquoted(text))  # any character may begin it
    try:
        return given._replace(value=typed(text))
    except ValueError as error:
        problems.append(f"{given.key} = {quoted(text)}: {error} ({given.source})")
        return given


def _read_file(path: Path, text: str) -> Iterator[_Given]:
    yield from _read_table(_parse_toml(path, text), "", f"{FROM_FILE}{path}")


def _read_table(table: Mapping[str, object], section: str, source: str) -> Iterator[_Given]:
    for name, value in table.items():
        key = f"{section}.{name}" if section else name
        # An unknown table is taken apart too, so that each of its keys gets a suggestion.
        if isinstance(value, dict) and value and key not in KEYS:
            yield from _read_table(value, key, source)
        elif value != {} or key not in SECTIONS:
            yield _Given(key, value, source)


def read_text(path: Path) -> str:
    """Read a settings file.

    Raises:
        SettingsError: It cannot be read, or is no text.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise SettingsError(f"{path}: {error.strerror}") from error
    try:
        # Editors on Windows start a file with a byte order mark.
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise SettingsError(f"{path}: not UTF-8 (at line {line})") from error


def _parse_toml(path: Path, text: str) -> dict[str, object]:
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise SettingsError(f"{path}: {explain(text, str(error))}") from error


def _read_environment(environ: Mapping[str, str]) -> Iterator[_Given]:
    for name, text in environ.items():
        if not name.startswith(ENVIRONMENT_PREFIX):
            continue
        key = name.removeprefix(ENVIRONMENT_PREFIX).lower().replace("__", ".")
        # A name without a section is ours only when it is a key: Kubernetes gives every pod
        # variables such as HEADEND_PORT when a service is called headend.
        if "." in key or key in KEYS:
            yield _Given(key, text, f"environment {name}", is_text=True)


def _read_overrides(overrides: Iterable[str]) -> Iterator[_Given]:
    for override in overrides:
        key, equals, text = override.partition("=")
        if not equals or not key.strip():
            # Not in the form that `--help` has: the log would hide what is behind KEY=.
            words = "a name and a value are needed, such as live.wait_s=10"
            raise SettingsError(f"--set {quoted(override)[1:-1]}: {words}")
        yield _Given(key.strip(), text.strip(), "flag --set", is_text=True)


def _explain_unknown(given: _Given) -> str:
    if given.key in SECTIONS:
        return f"{given.key} is a section: its keys go below [{given.key}] ({given.source})"
    near = difflib.get_close_matches(given.key, KEYS, n=1, cutoff=0.6)
    names = {key.rpartition(".")[2]: key for key in KEYS}
    near = near or [
        names[name]
        for name in difflib.get_close_matches(given.key.rpartition(".")[2], names, n=1, cutoff=0.8)
    ]
    hint = f"did you mean {near[0]}?" if near else "`headend config show` lists the known ones"
    return f"unknown setting {quoted(given.key)[1:-1]} ({given.source}): {hint}"


def _validate(
    given: Mapping[str, _Given], problems: list[str], environ: Mapping[str, str]
) -> Settings:
    """Build the settings; raises SettingsError for `problems`, known before, and for its own."""
    tables: dict[str, dict[str, object]] = {name: {} for name in ("", *SECTIONS)}
    for key, each in given.items():
        section, _, name = key.rpartition(".")
        tables[section][name] = each.value
    for section in SECTIONS:
        outer, _, name = section.rpartition(".")
        tables[outer][name] = tables[section]
    try:
        settings = Settings.model_validate(tables[""], context={ENVIRON: environ})
    except ValidationError as error:
        problems = problems + [_explain_wrong(each, given) for each in error.errors()]
    if problems:
        failure = SettingsError(problems[0])
        for problem in problems[1:]:
            failure.add_note(problem)
        # Without a cause: pydantic's own text shows values, secret ones too.
        raise failure
    return settings


def _explain_wrong(fault: Mapping[str, Any], given: Mapping[str, _Given]) -> str:
    """Say what pydantic found wrong, and where."""
    place = fault["loc"]
    key = next(key for key in KEYS if tuple(key.split(".")) == place[: key.count(".") + 1])
    value = "(hidden)" if is_secret(KEYS[key]) else quoted(given[key].value)
    return f"{key} = {value}: {wrong(key, KEYS[key], fault)} ({given[key].source})"

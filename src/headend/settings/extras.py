"""Extras: packages that only some set-ups need, and what is said when one is missing."""

from importlib.util import find_spec
from typing import Final

from headend.errors import SettingsError

# Module, and the extra of pyproject.toml that brings it.
EXTRAS: Final = {"asyncpg": "postgres", "redis": "redis", "obstore": "s3"}


def require(module: str, key: str) -> None:
    """See to it that a package is there before a setting that needs it is used.

    Args:
        module: Of `EXTRAS`; it is not imported.
        key: The setting, such as `auth.database`.

    Raises:
        SettingsError: It is not installed; the line has the command that brings it.
    """
    if find_spec(module) is None:
        raise SettingsError(
            f"{key} needs the package {module}, which is not installed: pip install {module} "
            f"(the extra {EXTRAS[module]!r} of Headend)"
        )

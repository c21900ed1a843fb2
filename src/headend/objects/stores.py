"""The object stores of a server, each made when it is needed first."""

from collections.abc import Callable
from importlib.util import find_spec
from typing import TYPE_CHECKING, Final

from headend.errors import SettingsError, StoreError
from headend.settings import Settings

if TYPE_CHECKING:
    from headend.objects.object_store import Credentials, ObjectStore

LIBRARY: Final = "obstore"
MISSING: Final = "needs obstore: pip install obstore"


def check(key: str, url: str) -> None:
    """Return if what a setting names can be used.

    Raises:
        SettingsError: What speaks with stores is not installed.
    """
    if url and find_spec(LIBRARY) is None:
        raise SettingsError(f"{key} {MISSING}")


class Stores:
    """Stores by their URLs."""

    def __init__(self, settings: Callable[[], Settings]) -> None:
        """Take the parts.

        Args:
            settings: Returns the settings in effect.
        """
        self._settings: Final = settings
        self._known: dict[str, tuple[Credentials, ObjectStore]] = {}

    def get(self, url: str) -> "ObjectStore":
        """Return the store at a URL, reached as the settings say now.

        Raises:
            StoreError: It cannot be used.
        """
        if find_spec(LIBRARY) is None:
            raise StoreError(f"the store {MISSING}")
        from headend.objects.object_store import Credentials, ObjectStore

        storage = self._settings().storage
        credentials = Credentials(
            storage.endpoint, storage.region, storage.key_id, storage.secret.get_secret_value()
        )
        known = self._known.get(url)
        if known is None or known[0] != credentials:
            if known is not None:
                known[1].close()
            known = self._known[url] = credentials, ObjectStore(url, credentials)
        return known[1]

    def close(self) -> None:
        """Have the stores do nothing more."""
        for _, store in self._known.values():
            store.close()
        self._known.clear()

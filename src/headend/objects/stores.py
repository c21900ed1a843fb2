"""The object stores of a server, each made when it is needed first."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from headend.errors import SettingsError, StoreError
from headend.settings import Settings
from headend.settings.extras import require

if TYPE_CHECKING:
    from headend.objects.object_store import Credentials, ObjectStore


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
        try:
            require("obstore", "the store")
        except SettingsError as error:
            raise StoreError(str(error)) from None
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

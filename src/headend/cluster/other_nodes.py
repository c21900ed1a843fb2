"""Where clients may go instead: the other servers of a cluster, but for those that drain.

A server that drains says so again and again while it does, so that servers that start meanwhile
hear it too, and one that has called its drain off or was killed is forgotten after a while.
"""

from collections.abc import Callable
from typing import Final

from headend.directory.port import Body, Directory
from headend.directory.values import Member

MESSAGE: Final = "drains"
HEARD_S: Final = 5.0  # a server that was not heard to drain for so long takes clients


class OtherNodes:
    """The other servers, each in turn; watches the directory."""

    def __init__(self, directory: Directory, clock: Callable[[], float]) -> None:
        """Begin to listen.

        Args:
            directory: Knows the servers.
            clock: Returns monotonic seconds.
        """
        self._directory: Final = directory
        self._clock: Final = clock
        self._drains: Final[dict[str, float]] = {}  # by boot: when it was heard
        self._turn = 0
        directory.watch(self)

    def place(self, scheme: str) -> str:
        """Return the URL of a server that takes clients; empty: there is none."""
        found = sorted(filter(None, (self._url(each, scheme) for each in self._open())))
        self._turn += 1
        return found[self._turn % len(found)] if found else ""

    def tell(self) -> None:
        """Say that this server drains."""
        self._directory.tell(None, MESSAGE, {})

    def _open(self) -> list[Member]:
        now = self._clock()
        members = {each.boot: each for each in self._directory.members()}
        for boot, heard in list(self._drains.items()):
            if boot not in members or now - heard > HEARD_S:
                del self._drains[boot]
        me = self._directory.me
        return [each for each in members.values() if each != me and each.boot not in self._drains]

    @staticmethod
    def _url(member: Member, scheme: str) -> str:
        found = (each for each in member.public.split() if each.startswith(f"{scheme}://"))
        return next(found, "")

    # ------------------------------------------------------------------ what the directory tells

    def owner_changed(self, path: str) -> None:
        """Do nothing: this is about servers."""

    def message(self, sender: Member, kind: str, body: Body) -> None:
        """Take note of a server that drains."""
        if kind == MESSAGE:
            self._drains[sender.boot] = self._clock()

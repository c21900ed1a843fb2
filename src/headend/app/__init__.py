"""The server as a whole: put together, and run as a program."""

from headend.app.process import Companion, run
from headend.app.server import Server

__all__ = ["Companion", "Server", "run"]

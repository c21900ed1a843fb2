"""This package puts the server together, and runs it as a program."""

from headend.app.process import Companion, run
from headend.app.server import Server

__all__ = ["Companion", "Server", "run"]

"""Headend: a live-streaming server that takes RTMP in and hands it to any number of viewers.

`headend.Server` runs one inside any asyncio program; it is loaded when it is asked for.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from headend.codec.encoding import Encoding
    from headend.embed.server import Server
    from headend.features.feature import Feature
    from headend.hooks import Hooks, on, on_play, on_publish
    from headend.media.tag import Tag
    from headend.settings import Settings

__version__ = "0.2.0.dev0"

__all__ = [
    "Encoding",
    "Feature",
    "Hooks",
    "Server",
    "Settings",
    "Tag",
    "__version__",
    "on",
    "on_play",
    "on_publish",
]

# Where public names come from.
_HOMES = {
    "Encoding": "headend.codec.encoding",
    "Feature": "headend.features.feature",
    "Hooks": "headend.hooks",
    "Server": "headend.embed.server",
    "Settings": "headend.settings",
    "Tag": "headend.media.tag",
    "on": "headend.hooks",
    "on_play": "headend.hooks",
    "on_publish": "headend.hooks",
}


def __getattr__(name: str) -> object:
    """Load a public name: `import headend` alone costs nothing."""
    from importlib import import_module

    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value: object = getattr(import_module(_HOMES[name]), name)
    globals()[name] = value
    return value

"""What a command says of a stream's name or pattern that was most likely meant otherwise."""

from headend.cli import output


def note_name(name: str) -> None:
    """Tell of a name without an app what it is; there are such streams, but few."""
    if name and "/" not in name:
        output.note(
            f"{name} is a whole name, as in rtmp://HOST/{name}: "
            f"that of a stream in an app is APP/NAME, such as live/{name}"
        )


def note_pattern(pattern: str) -> None:
    """Tell of a pattern without an app or wildcard what it stands for."""
    if pattern and not set("/*?[") & set(pattern):
        output.note(f"{pattern} is one stream, without an app: all of an app are {pattern}/*")

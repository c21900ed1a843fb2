"""Bytes in tests, written as specifications and captures print them."""


def wire(text: str) -> bytes:
    """Turn hexadecimal text into bytes.

    Args:
        text: Hex digits with any white space between bytes; `#` starts a comment to the line's end.

    Raises:
        ValueError: Something else than hex digits is left, or a byte is half there.
    """
    return bytes.fromhex(" ".join(line.partition("#")[0] for line in text.splitlines()))

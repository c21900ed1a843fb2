"""Bits, written as a specification lists them."""


def bits(text: str) -> bytes:
    """Return the bytes of bits written as text, with blanks anywhere, filled up with zeros."""
    digits = "".join(text.split())
    digits += "0" * (-len(digits) % 8)
    return int(digits, 2).to_bytes(len(digits) // 8, "big")

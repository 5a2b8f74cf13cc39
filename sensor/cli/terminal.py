"""Text of others on a terminal: what devices say of themselves is written by whoever is on the network."""

from __future__ import annotations


def printable(text: str) -> str:
    """The text with every control character escaped, so that no capture writes to the terminal."""
    return "".join(character if character.isprintable() else character.encode("unicode_escape").decode("ascii", "replace") for character in text)

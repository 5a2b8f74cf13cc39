"""A document on its way to those who keep it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Record:
    """dataset: without the product's name before it. id: the document's event.id. document: itself, one line of JSON in UTF-8 without the newline."""

    dataset: str
    id: str
    document: bytes

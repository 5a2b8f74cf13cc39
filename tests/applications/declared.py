"""What parsers say of their messages must be declared: an event shows nothing else."""

from __future__ import annotations

from collections.abc import Iterable

from sensor.applications.application import Said
from sensor.applications.datasets import DATASETS
from sensor.applications.tables import key_of


def undeclared(name: str, said: Iterable[Said]) -> set[str]:
    """Keys that no field of the dataset has."""
    keys = {key_of(name, field) for field in DATASETS[name].fields}
    return {key for each in said for key in each.about} - keys

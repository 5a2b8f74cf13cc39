"""Every dataset of events: of the protocols that are columns, and of the applications that are parsed message by message."""

from __future__ import annotations

from sensor.applications import APPLICATIONS
from sensor.applications.datasets import DATASETS
from sensor.events.protocol import Dataset
from sensor.protocols import PROTOCOLS

SPOKEN: tuple[Dataset, ...] = (
    *PROTOCOLS,
    *(DATASETS[application.name] for application in APPLICATIONS),
)  # by the number of what a flow that is over spoke, from 1
EVENTS: tuple[Dataset, ...] = tuple({dataset.name: dataset for dataset in SPOKEN}.values())

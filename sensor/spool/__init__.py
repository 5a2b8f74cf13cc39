"""What the sensor has found and nobody has received yet, on disk: append-only segments by lane, and each consumer's place in them."""

from sensor.spool.consumer import Consumer
from sensor.spool.records import Chunk, Lane, Position, Quotas
from sensor.spool.spool import Spool

__all__ = ["Chunk", "Consumer", "Lane", "Position", "Quotas", "Spool"]

"""Capture files, standard input and taps -> batches."""

from sensor.capture.files import expand, open_captures, open_source, read_capture

__all__ = ["expand", "open_captures", "open_source", "read_capture"]

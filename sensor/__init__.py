"""Tapsight: a passive sensor for plant networks."""

__version__ = "0.1.0"

"""Protocols of general-purpose networks, parsed message by message."""

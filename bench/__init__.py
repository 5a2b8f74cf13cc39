"""How fast, how much memory, compared with what: `python -m bench`."""

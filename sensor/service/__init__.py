"""The sensor as a service: a run that never ends, what it delivers, and how it is."""

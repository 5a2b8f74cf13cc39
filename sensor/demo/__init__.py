"""A capture of a small plant with an intrusion in it, for trying the sensor without one.

`python -m sensor.demo.craft OUT.pcapng` makes it: always the same bytes. Only that process imports scapy (GPL-2.0); nothing here is imported by the engine.
"""

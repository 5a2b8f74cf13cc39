"""The rule engine: rules in Suricata's and Snort's language over batches of packets, PDUs and streams."""

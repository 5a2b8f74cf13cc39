"""Kibana dashboards: readable sources in `sources/`, built by `python -m dashboards.build` into `kibana/tapsight-LANGUAGE.ndjson`."""

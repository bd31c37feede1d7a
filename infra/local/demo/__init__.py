"""The demonstration on one machine: `python -m infra.local.demo`."""

"""Brings X-rays into the volume and the table of an environment, each film once."""

"""Readings: what one is, how it is sent, and the model that writes it."""

"""Readers' verdicts: what a reading is, how it is sent, and the model that writes it."""

"""A judgement for people and for machines."""

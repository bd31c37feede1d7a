"""Workspace objects that minilake keeps, and what it lacks of them."""

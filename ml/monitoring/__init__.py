"""What monitoring compares: what a version saw in validation, and what it is asked now."""

"""The architectures: one file each, one framework a file; a file imports its own framework only."""

"""What the infrastructure may know of `ml`; standard library only."""

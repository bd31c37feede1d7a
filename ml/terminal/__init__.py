"""What every command has in common: how it is called, how it fails, how it waits."""

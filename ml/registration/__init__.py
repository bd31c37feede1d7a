"""Where versions are registered, and what goes with one."""

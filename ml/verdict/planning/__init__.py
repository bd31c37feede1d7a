"""What an experiment costs, before it begins and while it runs."""

"""The page of the local workspace: what is served, what it was asked, what is wrong."""

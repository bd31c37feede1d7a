"""What a deployment answers instead of doing something wrong."""


class NotDeployed(RuntimeError):
    """Why nothing was changed, and the way out."""

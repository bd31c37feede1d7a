"""What a command answers instead of doing something wrong."""


class Refused(Exception):
    """A user can put it right: the text names file, field and value, and the way out."""

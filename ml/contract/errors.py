"""What a user can put right: said in one message, never as a traceback."""


class UserError(Exception):
    """Something that the user can put right; says what, and the way out."""


class InvalidData(ValueError):
    """The data cannot be used; says which file, key and value, the rule, and the way out."""

"""Small constructs over the generated bindings, one noun a module."""

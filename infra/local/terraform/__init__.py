"""How Terraform reaches the local workspace where the provider registry cannot be reached.

`stand_in` is the provider that Terraform then starts; `installation` is how Terraform finds it.
"""

"""The infrastructure: what is declared, what that becomes in Terraform, and what runs it here."""

from ml.contract.active import prepare_command

prepare_command()

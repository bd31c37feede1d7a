"""The infrastructure: what is declared, what that becomes in Terraform, and what runs it here."""

"""Where Terraform keeps the state of an environment's stacks, as the environment file says it.

A state belongs to one stack, so every address ends in the stack's name. No credentials here: the
backends read them from the environment (AWS_*, TF_HTTP_USERNAME and TF_HTTP_PASSWORD, TF_TOKEN_*).
"""

import re
from collections.abc import Iterator
from typing import Annotated, Literal

from pydantic import AfterValidator, Field
from pydantic_core import InitErrorDetails

from infra.declared.declaration import Declaration, Table, broken_rule, problem, read
from infra.declared.literal import literal


def _bucket(name: str) -> str:
    if not re.fullmatch(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]", name):
        raise broken_rule(
            "an S3 bucket's name: 3 to 63 lower-case letters, digits, '-' and '.'",
            "write the bucket's own name, without s3:// and path",
        )
    return name


def _key_prefix(prefix: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9_.-]+(/[A-Za-z0-9_.-]+)*", prefix):
        raise broken_rule(
            "a path inside the bucket, without a slash at either end",
            "write it like champion-challenger/prod; the stack's name is added behind it",
        )
    return prefix


def _address(address: str) -> str:
    if re.match(r"https?://[^/]*@", address):
        raise broken_rule(
            "no credentials in an address",
            "set TF_HTTP_USERNAME and TF_HTTP_PASSWORD in the environment",
        )
    if not re.fullmatch(r"https?://[^\s/?#]+(/[^\s/?#]+)*", address):
        raise broken_rule(
            "an http(s) address without a query, and without a slash at the end",
            "write it like https://gitlab.example.com/api/v4/projects/7/terraform/state; the "
            "stack's name is added behind it",
        )
    return address


class _State(Declaration):
    @classmethod
    def disagreements(cls, table: Table) -> Iterator[InitErrorDetails]:
        """A backend is read as it stands, with nothing evaluated and nothing escaped."""
        yield from super().disagreements(table)
        for key in cls.model_fields:
            value = read(table, key)
            if isinstance(value, str) and literal(value) != value:
                yield problem(
                    (key,),
                    value,
                    "a plain text: Terraform evaluates no ${...} and no %{...} in a backend",
                    "write the value itself",
                )


class LocalState(_State):
    """A file beside this project, which Git ignores: for one person on one machine."""

    type: Literal["local"] = "local"

    def file(self, stack: str) -> str:
        """The state's file of a stack, in the repository's root."""
        return f"terraform.{stack}.tfstate"


class S3State(_State):
    """An object in a bucket, locked by a second object beside it (Terraform 1.10 and later)."""

    type: Literal["s3"]
    bucket: Annotated[str, AfterValidator(_bucket)] = Field(examples=['bucket = "terraform-state"'])
    region: str = Field(min_length=1, examples=['region = "eu-central-1"'])
    key_prefix: Annotated[str, AfterValidator(_key_prefix)] = "champion-challenger"
    use_lockfile: bool = True
    kms_key_id: str | None = Field(default=None, min_length=1)

    def key(self, stack: str) -> str:
        """The object of a stack in the bucket."""
        return f"{self.key_prefix}/{stack}.tfstate"


class HttpState(_State):
    """A REST address, locked as GitLab's managed state is: POST and DELETE on `<address>/lock`."""

    type: Literal["http"]
    address: Annotated[str, AfterValidator(_address)] = Field(
        examples=['address = "https://gitlab.example.com/api/v4/projects/7/terraform/state"']
    )
    lock: bool = True

    def stack_address(self, stack: str) -> str:
        """Where the state of a stack is read and written."""
        return f"{self.address}/{stack}"


class CloudState(_State):
    """A workspace of HCP Terraform, or of Terraform Enterprise at `hostname`."""

    type: Literal["cloud"]
    organization: str = Field(min_length=1, examples=['organization = "my-organization"'])
    hostname: str | None = Field(default=None, min_length=1)
    workspace_prefix: str = ""

    def workspace(self, stack: str) -> str:
        """The name of a stack's workspace."""
        return f"{self.workspace_prefix}{stack}"


State = Annotated[LocalState | S3State | HttpState | CloudState, Field(discriminator="type")]

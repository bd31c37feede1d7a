"""The Terraform backend of a stack, from what its environment says about its state."""

from typing import assert_never

from cdktf import (
    CloudBackend,
    HttpBackend,
    LocalBackend,
    NamedCloudWorkspace,
    S3Backend,
    TerraformStack,
)

from infra.declared.state import CloudState, HttpState, LocalState, S3State, State

# Terraform runs in cdktf.out/stacks/<stack>. A relative path keeps the JSON the same everywhere;
# without an explicit backend, cdktf would write this machine's absolute one:
# docs/reference/cdktf.md#the-same-bytes-everywhere
_PROJECT = "../../.."


def keep_state(stack: TerraformStack, name: str, state: State) -> None:
    """Give the stack called `name` its backend."""
    match state:
        case LocalState():
            LocalBackend(stack, path=f"{_PROJECT}/{state.file(name)}")
        case S3State():
            backend = S3Backend(
                stack,
                bucket=state.bucket,
                key=state.key(name),
                region=state.region,
                encrypt=True,
                kms_key_id=state.kms_key_id,
            )
            # cdktf 0.21 is older than the argument.
            backend.add_override("use_lockfile", state.use_lockfile)
        case HttpState():
            address = state.stack_address(name)
            lock = f"{address}/lock" if state.lock else None
            HttpBackend(
                stack,
                address=address,
                lock_address=lock,
                lock_method="POST" if lock else None,
                unlock_address=lock,
                unlock_method="DELETE" if lock else None,
            )
        case CloudState():
            CloudBackend(
                stack,
                organization=state.organization,
                hostname=state.hostname,
                workspaces=NamedCloudWorkspace(state.workspace(name)),
            )
        case _:
            assert_never(state)

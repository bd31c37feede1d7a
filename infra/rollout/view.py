"""What people see of a status."""

from collections.abc import Sequence

from rich.console import Console
from rich.table import Column, Table

from infra.rollout.status import Status
from infra.rollout.terraform_state import TerraformState


def show_status(statuses: Sequence[Status], state: TerraformState) -> None:
    """Prints every endpoint: its arms, then what differs and what heals it."""
    console = Console(highlight=False, markup=False, soft_wrap=True)
    for status in statuses:
        console.print(f"{status.endpoint}: {status.ready}, {status.update}", style="bold")
        if status.arms:
            # Folded, not cut: two arms' names may differ at their ends alone.
            heads = ("arm", "version", "traffic", "deployment")
            table = Table(*(Column(head, overflow="fold") for head in heads))
            for arm in status.arms:
                table.add_row(arm.served_entity, arm.version, f"{arm.percent} %", arm.deployment)
            console.print(table)
        if status.remark:
            console.print(f"  {status.remark}")
        for drift in status.drifts:
            console.print(
                f"  {drift.setting}: file {drift.file}, state {drift.state}, live {drift.live}"
            )
            if drift.obstacle:
                console.print(f"      a deployment does not heal it: {drift.obstacle}")
            console.print(f"      heal: {drift.heal}")
        if status.is_as_declared:
            console.print("  as declared: no drift")
    if state.unread:
        console.print(f"Terraform's state was not compared: {state.unread}")

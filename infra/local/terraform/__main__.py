"""`python -m infra.local.terraform`: prepare the stand-in for plain `terraform` commands."""

from __future__ import annotations

import sys
from pathlib import Path

from infra.local.terraform.installation import Installation, NotInstalled


def main() -> int:
    installation = Installation(root=Path.cwd())
    try:
        installation.write()
    except NotInstalled as problem:
        print(problem, file=sys.stderr)
        return 1
    print("# Terraform uses the stand-in provider, for the local workspace only, with:")
    print(f"export TF_CLI_CONFIG_FILE={installation.cli_config}")
    print('export DATABRICKS_TOKEN="$(cat .local/workspace/token)"')
    return 0


if __name__ == "__main__":
    sys.exit(main())

from tests.local.lake.server import shared_workspace, workspace  # noqa: F401 - fixtures

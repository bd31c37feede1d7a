"""What every test shares is one plugin, `tests.plugin`; a folder's own is in its conftest."""

pytest_plugins = ["tests.plugin"]

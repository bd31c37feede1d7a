"""The plugin of this project's tests: what they share, built once, and how a run is divided."""

pytest_plugins = [
    "tests.plugin.isolation",
    "tests.plugin.suites",
    "tests.plugin.turns",
    "tests.plugin.once",
    "tests.plugin.models",
    "tests.plugin.workspaces",
    "tests.plugin.served",
    "tests.plugin.ab_test",
    "tests.plugin.commands",
    "tests.plugin.films",
    "tests.plugin.trained",
    "tests.plugin.ingestion",
    "tests.plugin.prediction",
    "tests.plugin.readings",
    "tests.plugin.browser",
    "tests.plugin.terraform",
]

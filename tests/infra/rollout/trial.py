"""What the tests of the rollout move: an environment file and an experiment, at one moment."""

from datetime import UTC, datetime, timedelta

ENVIRONMENT = """\
# Who may change this: a reviewed change.
catalog = "healthcare_catalog_dev"

[ab_test]
endpoint = "ab"                                     # one name a workspace

[ab_test.champion]
model         = "keras"                             # the Keras arm
version       = 1                                   # a number, no alias
workload_size = "Small"

# The rival.
[[ab_test.challengers]]
model         = "torch"                             # the PyTorch arm
version       = 2
workload_size = "Medium"                            # it needs more
traffic       = {traffic}  # percent; the champion gets the rest

[ab_test.inference_table]
schema = "gold"
prefix = "pneumonia_classifier"
"""

EXPERIMENT = """\
primary_metric = "sensitivity"
maximum_labels = 100000
minimum_per_arm = 20
label_maturity_hours = 24

[champion]
model = "keras"
version = 1

[challenger]
model = "torch"
version = 2

[split]
since = 2026-03-02T00:00:00Z
champion = 50
challenger = 50

[margins]
sensitivity = 0.05
specificity = 0.05

[expected]
prevalence = 0.5
champion = { sensitivity = 0.85, specificity = 0.85 }
challenger = { sensitivity = 0.95, specificity = 0.85 }
"""

AS_OF = datetime(2026, 3, 20, 12, tzinfo=UTC)
NOW = AS_OF + timedelta(days=1)

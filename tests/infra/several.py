"""An environment with two A/B tests, a single model and the feedback that serves both tests."""

SEVERAL = """\
catalog = "c"

[workspace]
host = "https://adb-1.7.azuredatabricks.net"

[roles]
callers          = [{ group = "callers" }]
readers          = [{ group = "readers" }]
analysts         = [{ group = "analysts" }]
endpoint_creator = { service_principal = "00000000-0000-0000-0000-000000000001" }

[platform.models]
names = ["trees", "linear"]

[feedback]
endpoint = "feedback-endpoint"
model    = "feedback_processor"
version  = 1

[triage]
endpoint = "triage"
model    = "triage_model"
version  = 4

[ab_test]
endpoint = "films"

[ab_test.champion]
model   = "keras"
version = 1

[[ab_test.challengers]]
model   = "torch"
version = 2
traffic = 20

[ab_test.inference_table]
schema = "gold"
prefix = "films"

[second_test]
endpoint = "columns"                                # another test

[second_test.champion]
model   = "trees"
version = 3

[[second_test.challengers]]
model   = "linear"
version = 2
traffic = 5                                         # a beginning

[second_test.inference_table]
schema = "silver"
prefix = "columns"
"""

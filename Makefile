# `make` lists the targets. Two matter: `make demo`, the main job, and `make test`.
# Each sets up first what it needs; when that has been done it costs a fraction of a second.

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.ONESHELL:

# The first of these that is new enough for the locked packages.
PYTHON ?= $(shell for python in python3 python3.13 python3.12 python3.11; do \
  "$$python" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' \
  2>/dev/null && echo "$$python" && break; done || echo python3)

export PATH := $(CURDIR)/.venv/bin:$(CURDIR)/node_modules/.bin:$(PATH)
# cdktf-cli keeps to itself, and jsii keeps silent about the age of Node.js 20.
export CHECKPOINT_DISABLE := 1
export DISABLE_VERSION_CHECK := 1
export JSII_SILENCE_WARNING_END_OF_LIFE_NODE_VERSION := 20
# Processes of a run start faster from modules that an earlier one has compiled.
unexport PYTHONDONTWRITEBYTECODE

# Tests run in so many processes: two cores are what CI has.
WORKERS ?= 2
CHECKS = ruff format --check . && ruff check . && mypy && lint-imports && deptry .
PYTEST = python -m pytest -n $(WORKERS) --dist loadgroup

.PHONY: help
help: ## List the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) \
	  | awk -F ':.*## ' '{ printf "  make %-12s %s\n", $$1, $$2 }'

.PHONY: set-up
set-up: ## Install everything that the project needs into its own folder
	@command -v "$(PYTHON)" >/dev/null || { \
	  echo "set-up: there is no Python on PATH. Install any from 3.9 on." >&2; exit 1; }
	"$(PYTHON)" .ci/set_up.py

.PHONY: demo
demo: set-up ## Train, deploy locally, send X-rays, judge the arms, shift the traffic
	@python -m infra.local.demo

.PHONY: workspace
workspace: set-up ## Start the local workspace: Databricks-compatible, for this machine only
	@python -m infra.local

# The steps of README, each a command of which README says more.
ENVIRONMENT ?= local
EXPERIMENT ?= pneumonia_ab
FILMS ?= docs/samples/*.png
READINGS ?= docs/samples/readings.csv
IN = --environment $(ENVIRONMENT)

.PHONY: platform
platform: set-up ## Step 1, beside `make workspace`: deploy catalog, tables, warehouse, ...
	@python -m infra.local.terraform apply --stack platform $(IN)

.PHONY: ingest
ingest: set-up ## Step 2: ingest the bundled X-rays, or those of DATA
	@python -m ml.ingest $(if $(DATA),--data $(DATA)) --accept duplicate $(IN)

.PHONY: train
train: set-up ## Step 3: train and register both arms
	@python -m ml.train_keras $(IN) $(if $(filter local,$(ENVIRONMENT)),--data local)
	python -m ml.train_torch $(IN) $(if $(filter local,$(ENVIRONMENT)),--data local)

.PHONY: deploy
deploy: set-up ## Step 4: deploy the endpoint
	@python -m infra.local.terraform apply $(IN)

.PHONY: predict
predict: set-up ## Step 5: send FILMS, the samples if it is not given
	@python -m ml.predict $(FILMS) $(IN)

.PHONY: analysis
analysis: set-up ## Step 6: deploy the views over what was logged
	@python -m infra.local.terraform apply --stack analysis $(IN)

.PHONY: feedback
feedback: set-up ## Step 7: send READINGS, a sheet; the sample is checked and not sent
	@python -m ml.feedback $(READINGS) $(IN) $(if $(findstring docs/samples/,$(READINGS)),--dry-run)

.PHONY: compare
compare: set-up ## Step 8: which arm is better, by EXPERIMENT
	@python -m ml.compare $(EXPERIMENT) $(IN)

.PHONY: test
test: set-up ## Check format, lint, types and import contracts, and run the tests
	@$(CHECKS)
	$(PYTEST)

.PHONY: test-all
test-all: set-up ## The same with the tests that are too slow for every change
	@$(CHECKS)
	$(PYTEST) --all

.PHONY: test-random
test-random: set-up ## The tests in a random order, which is printed and can be given as SEED
	@$(PYTEST) -p randomly $(if $(SEED),--randomly-seed=$(SEED))

.PHONY: coverage
coverage: set-up ## Lines and branches of infra and ml that both suites run, in every process
	@rm -rf .local/coverage
	coverage run -m pytest -n $(WORKERS) --dist loadgroup --all
	coverage combine --quiet
	coverage report --skip-covered --sort=cover | tail -40

.PHONY: synth
synth: set-up ## Synthesize every environment into cdktf.out
	@python main.py

.PHONY: bench
bench: set-up ## Measure the figures that the project promises, each as a ratio in one run
	@for benchmark in tests/benchmarks/bench_*.py; do
	  echo "== $$benchmark"
	  python "$$benchmark"
	done

.PHONY: spark-answers
spark-answers: set-up ## Record what Apache Spark (needs Java 17) answers, and what SQL follows from it
	@uv venv --quiet --allow-existing --python .venv/bin/python .local/spark
	uv pip install --quiet --python .local/spark/bin/python 'pyspark==4.1.*'
	packages="$$(python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')"
	PYTHONPATH=".:$$packages" .local/spark/bin/python tests/infra/local/sql/record_answers.py $(TOPICS)
	PYTHONPATH=. python tests/infra/local/sql/derive_forms.py

.PHONY: lock
lock: set-up ## Resolve the dependencies of pyproject.toml again into the lock files
	@compile=(uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
	  --no-header --no-annotate)
	"$${compile[@]}" pyproject.toml --all-extras -o requirements.lock
	pins() { sed -nE 's/^([a-z0-9._-]+==[^\\]+) \\$$/\1/p' requirements.lock; }
	"$${compile[@]}" pyproject.toml -c <(pins) -o requirements-infra.lock
	"$${compile[@]}" pyproject.toml --extra rollout -c <(pins) -o requirements-rollout.lock
	for group in setup node terraform; do
	  "$${compile[@]}" --group "$$group" -o "requirements-$$group.lock"
	done
	npm install --package-lock-only --ignore-scripts

.PHONY: provider-lock
provider-lock: synth ## Write infra/provider.lock.hcl for every platform; needs their registry
	@stack=cdktf.out/stacks/platform-dev
	terraform -chdir="$$stack" providers lock \
	  $(addprefix -platform=,linux_amd64 linux_arm64 darwin_amd64 darwin_arm64 windows_amd64 windows_arm64)
	cp "$$stack/.terraform.lock.hcl" infra/provider.lock.hcl

.PHONY: clean
clean: ## Remove what was built and trained; keep what set-up installed
	@"$(PYTHON)" .ci/clean.py

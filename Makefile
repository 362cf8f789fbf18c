# Two commands: `make up` (a cluster with Mayfly on it) and `make test`. `make help` lists the rest.
SHELL := /bin/bash
.DEFAULT_GOAL := help
PYTHON ?= python3
BIN := .venv/bin
UV_VERSION := 0.13.8
WITH_CLUSTER := test -f .cluster/env || { echo "no cluster here: run make up" >&2; exit 1; }; source .cluster/env;

help: ## show this list
	@grep -hE '^[a-z0-9-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z0-9-]+):.*## /  \1\t/' | expand -t 18

.venv/.ready: requirements/dev.lock pyproject.toml
	@$(PYTHON) -c 'import ensurepip' 2>/dev/null || { apt-get update -qq && apt-get install -y -qq python3-venv; }
	@$(PYTHON) -m venv .venv && $(BIN)/python -m pip install --quiet uv==$(UV_VERSION)
	@$(BIN)/uv pip sync --quiet --require-hashes requirements/dev.lock --python $(BIN)/python
	@$(BIN)/uv pip install --quiet --no-deps --editable . --python $(BIN)/python
	@touch $@

venv: .venv/.ready ## the Python environment in .venv

up: .venv/.ready ## a cluster, Knative, a registry, Mayfly and the sample shop
	@$(PYTHON) -m cluster up

down: ## stop the cluster and leave nothing behind
	@$(PYTHON) -m cluster down

status: ## what runs
	@$(PYTHON) -m cluster status

test: unit up contract e2e ## unit, contract and end-to-end tests (brings the cluster up)

unit: .venv/.ready ## pure rooms, in seconds
	@$(BIN)/python -m pytest tests/unit platform cluster --doctest-modules -q

contract: .venv/.ready postgres ## edges against a real API server, registry, Envoy and PostgreSQL
	@$(WITH_CLUSTER) $(BIN)/python -m pytest tests/contract -q -n 3 --dist loadfile --no-loadscope-reorder

postgres: ## PostgreSQL's programs, for the tests of the store
	@requirements/postgres

e2e: .venv/.ready ## the whole platform on the cluster
	@$(WITH_CLUSTER) $(BIN)/python -m pytest tests/e2e --with-e2e -m "not interop and not disruptive" -q -n 2 --dist loadfile --no-loadscope-reorder
	@$(WITH_CLUSTER) $(BIN)/python -m pytest tests/e2e --with-e2e -m "disruptive and not interop" -q

interop: .venv/.ready ## Knative Eventing's own controllers deliver to Functions (builds them the first time)
	@$(WITH_CLUSTER) $(BIN)/python -m pytest tests/e2e --with-e2e -m interop -q

conformance: .venv/.ready ## Knative's own ingress conformance suite against the installed gateway
	@$(WITH_CLUSTER) $(BIN)/python -m tests.conformance

chaos: .venv/.ready postgres ## kill, stop and fill up what events stand on, under load, and count
	@$(WITH_CLUSTER) $(BIN)/python -m tests.chaos

bench: .venv/.ready ## print one JSON line per figure
	@$(WITH_CLUSTER) $(BIN)/python -m tests.bench

check: fmt-check lint types layers generated chart ## every static check

fmt: .venv/.ready ## format the code
	@$(BIN)/ruff format --quiet . && $(BIN)/ruff check --quiet --fix-only .

fmt-check: .venv/.ready
	@$(BIN)/ruff format --check --quiet . && echo "format: clean"

lint: .venv/.ready ## ruff
	@$(BIN)/ruff check --quiet . && echo "lint: clean"

types: .venv/.ready ## mypy, strict
	@$(BIN)/mypy

layers: .venv/.ready ## import contracts between rooms
	@$(BIN)/lint-imports --no-cache

generate: .venv/.ready ## write every generated file
	@$(BIN)/python docs/generate.py --write

generated: .venv/.ready ## prove that generated files are current
	@$(BIN)/python docs/generate.py

crd: generate ## write the CRD from the model

lock: .venv/.ready ## pin dependencies anew
	@requirements/lock $(BIN)/uv

chart: .venv/.ready ## helm lint and schema validation of the rendered chart
	@$(WITH_CLUSTER) charts/check

image: .venv/.ready ## build the platform's image with our own image rooms and push it to $REGISTRY
	@$(WITH_CLUSTER) $(BIN)/python -m mayfly.build.platform_image --registry "$$REGISTRY/mayfly" --insecure

.PHONY: help venv up down status test unit contract postgres e2e interop conformance chaos bench check fmt fmt-check lint types layers generate generated crd lock chart image

# Every target does its own set-up; `make` alone lists them.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.PHONY: help setup stack stack-down demo test check format bench lock schema clean

PY := .venv/bin/python
BIN := .venv/bin
ARGS ?=

help: ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /  \1\t/' | expand -t 16

setup: ## make .venv from requirements.lock (every other target does it too)
	@scripts/bootstrap.sh

stack: setup ## start TimescaleDB and Mosquitto for experiments; addresses in .stack/env
	@$(PY) -m service.stack up

stack-down: ## stop them and remove their data
	@if [ -x $(PY) ]; then $(PY) -m service.stack down; else python3 -m service.stack down; fi

demo: setup ## a fleet, its entrapments and their dispatch on real parts (ARGS="--for 60")
	@$(BIN)/hoistway demo $(ARGS)

test: check ## check, then every test (ARGS="-k clock" narrows it)
	@$(PY) -m pytest -n 2 --dist loadgroup $(ARGS)

check: setup ## lint, format, types, layers, Dockerfile
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/basedpyright
	@$(BIN)/lint-imports
	@$(BIN)/hadolint Dockerfile

format: setup ## let ruff format and repair what it can
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

bench: setup ## print the measured rates and latencies
	@$(PY) -m bench $(ARGS)

lock: setup ## compile requirements.lock anew from pyproject.toml
	@$(BIN)/uv pip compile pyproject.toml --all-extras --generate-hashes --quiet \
	    --no-emit-index-url --no-header --python-version 3.11 -o requirements.lock $(ARGS)

schema: setup ## write migrations/schema.sql from the migrations
	@$(PY) scripts/write_schema.py

clean: stack-down ## remove .venv, caches and the private services
	@rm -rf .venv .pytest_cache .ruff_cache .hypothesis .import_linter_cache dist build
	@find . -name __pycache__ -not -path './.stack/*' -prune -exec rm -rf {} +
	@rm -rf .stack

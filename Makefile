# Every command, for people and for CI. `make` lists them.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

PYTHON ?= python3
HOST ?= 127.0.0.1
PORT ?= 8000
# Much of a test is waiting for servers, so three at a time keep two cores busy; each third has its own Redis, MariaDB
# and Chromium. A file stays together: its tests share what they started. The long ones come first (tests/conftest.py).
SIDE_BY_SIDE := --numprocesses 3 --dist loadfile --no-loadscope-reorder
# SQLite is what `make run` has, beside one Redis: what a Cluster changes is the same with either database.
# Passed on: make test ARGS="-k drain" (on MariaDB only), make bench ARGS="audience-fanout --json"
ARGS ?=

VENV := .venv
BIN := $(VENV)/bin
export PIP_DISABLE_PIP_VERSION_CHECK := 1
# Some machines forbid compiled files. Then each of the hundreds of processes that tests start compiles all sources anew.
export PYTHONDONTWRITEBYTECODE :=

.PHONY: help run test bench lint format messages parts clean

help: ## list these commands
	@sed -nE 's/^([a-z]+):.*## /\1|/p' $(MAKEFILE_LIST) | while IFS='|' read -r name text; do printf '  make %-10s%s\n' "$$name" "$$text"; done

run: $(VENV)/embedded.stamp ## open Fullhouse on http://localhost:8000 (PORT=... for another); Ctrl-C closes it
	@exec $(BIN)/python manage.py embedded --bind $(HOST):$(PORT) $(ARGS)

test: parts $(VENV)/test.stamp ## install what is missing, then test on MariaDB and SQLite, Redis single and Cluster, Chromium
	$(BIN)/python -m pytest $(or $(ARGS),$(SIDE_BY_SIDE))
	$(if $(ARGS),,$(BIN)/python -m pytest --database sqlite -m database -k "not cluster" $(SIDE_BY_SIDE))

bench: parts $(VENV)/test.stamp ## measure; ARGS="SCENARIO [--json]", without it: list the scenarios
	@$(BIN)/python -m tests.load $(or $(ARGS),--help)

lint: $(VENV)/test.stamp ## style, types, import rules
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(VENV)/test.stamp ## put the code into the one style
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

messages: parts $(VENV)/test.stamp ## collect texts to translate into locale/
	$(BIN)/python manage.py makemessages --locale ko --ignore '.venv/*' --ignore 'var/*' --no-location

parts:
	@scripts/install-test-parts

clean: ## remove everything that can be made again, var/ and its data, too
	rm -rf $(VENV) var .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
	find locale -name '*.mo' -delete

# A stamp is as new as the requirements it was installed from, so an install happens once.
$(VENV)/bin/python:
	@PYTHON="$(PYTHON)" scripts/make-venv $(VENV)

$(VENV)/embedded.stamp: requirements/embedded.txt | $(VENV)/bin/python
	@echo "Installing Python packages (once) ..."
	@$(BIN)/python -m pip install --quiet --only-binary :all: -r requirements/embedded.txt
	@touch $@

$(VENV)/test.stamp: requirements/embedded.txt requirements.txt requirements/test.txt | $(VENV)/bin/python parts
	@echo "Installing Python packages (once) ..."
	@$(BIN)/python -m pip install --quiet -r requirements/test.txt
	@touch $@ $(VENV)/embedded.stamp

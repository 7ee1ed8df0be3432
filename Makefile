# The commands that people type. `make` alone lists them.
# Nothing is installed outside this folder: Python's packages in .venv, Kafka's jars in .cache.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.NOTPARALLEL:

PYTHON ?= python3
CUSTOMERS ?= 10000
MINUTES ?= 60
ATTACK ?=
BUGS ?=
BIN := .venv/bin
INSTALLED := .venv/.installed
PIP := $(BIN)/python -m pip --disable-pip-version-check --no-input --quiet

.PHONY: help demo test check faults sabotage soak up down lock jars

help: ## List these commands
	@grep -hE '^[a-z.]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{ printf "  make %-8s %s\n", $$1, $$2 }'

demo: .venv jars ## Declare the case's incident to CUSTOMERS=10000 customers, show the books, clean up
	@$(BIN)/amends demo --customers $(CUSTOMERS)

test: check jars ## Check, then run every test
	@$(BIN)/python -m pytest tests

faults: jars ## Attack a running stack: 500 kills, lost replies, full disks, lost topics; ATTACK="--kills 60" for less
	@$(BIN)/python -m tests.faults.run $(ATTACK)

sabotage: jars ## Put hand-made bugs into copies of the project, and show which test catches each
	@$(BIN)/python -m tests.sabotage.run $(BUGS)

soak: jars ## Incidents without an end for MINUTES=60, and a kill every few seconds
	@$(BIN)/python -m tests.faults.soak --minutes $(MINUTES)

check: .venv ## Lint, format, types, import rules
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports

up: .venv jars ## Start the local stack: Kafka, PostgreSQL, a mail sink, the services
	@$(BIN)/amends up

down: .venv ## End the local stack and leave no process
	@$(BIN)/amends down

# Without the caller's settings for pip: the lock names no registry and no folder, only versions and hashes.
lock: .venv ## Pin the dependencies anew (UPGRADE=--upgrade for the latest of each)
	@env -u PIP_FIND_LINKS -u PIP_INDEX_URL -u PIP_EXTRA_INDEX_URL CUSTOM_COMPILE_COMMAND="make lock" \
		$(BIN)/pip-compile --quiet --all-extras --generate-hashes --strip-extras --allow-unsafe \
		--no-emit-index-url --no-emit-find-links --no-emit-trusted-host $(UPGRADE) \
		--output-file requirements.lock pyproject.toml
	@if grep -nE '://|^-|@ file' requirements.lock; then echo "requirements.lock names a registry or a path" >&2; exit 1; fi

.PHONY: .venv
.venv: $(INSTALLED)

# The file .installing stays when an install was interrupted: the next one then starts from an empty folder.
$(INSTALLED): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
		echo "Amends needs Python 3.11 or later; '$(PYTHON)' is $$($(PYTHON) --version 2>&1 || true)." \
			"Name another one: make PYTHON=python3.12" >&2; exit 1; }
	@echo "installing Python's packages into .venv (once)"
	@if [ -e .venv/.installing ]; then $(PYTHON) -m venv --clear .venv; else $(PYTHON) -m venv .venv; fi
	@touch .venv/.installing
	@$(PIP) install --require-hashes -r requirements.lock
	@PYTHONWARNINGS=ignore $(PIP) install --no-deps --no-build-isolation -e .
	@rm .venv/.installing
	@touch $@

jars: .venv ## Bring Kafka's jars into .cache (once)
	@if ! compgen -G '.cache/kafka/*/pom.xml' >/dev/null; then \
		command -v mvn >/dev/null || { echo "Kafka's jars are brought by Maven, and 'mvn' is not installed." >&2; exit 1; }; \
		command -v java >/dev/null || { echo "Maven needs a Java runtime, and 'java' is not installed." >&2; exit 1; }; \
	fi
	@$(BIN)/python -c 'from deploy.local.kafka.jars import bring_jars; bring_jars(print)'

# On a fresh machine with Python >= 3.11 and make, each of these is enough on its own.
#   make run     serve on http://127.0.0.1:8020 (PORT= and VAR_DIR= move it)
#   make test    every test this machine can run
#   make lint    style, types, imports, migrations, deployment files

PYTHON ?= python3
MINUTES ?= 10
BIN := .venv/bin
SHELL := /bin/sh

.PHONY: setup setup-dev run kill test lint lock bench faults soak clean

setup: .venv/.requirements

setup-dev: .venv/.requirements-dev

run: setup
	@exec $(BIN)/python -m project.run.local

# Kills what `make run` started with this PORT and VAR_DIR, without a chance to clean up.
kill:
	@exec $(BIN)/python -m project.run.running

test: setup-dev
	@exec $(BIN)/python -m tests.run

lint: setup-dev
	$(BIN)/python -m ruff check .
	$(BIN)/python -m ruff format --check .
	$(BIN)/python -m mypy .
	$(BIN)/lint-imports
	$(BIN)/python manage.py makemigrations --check --dry-run
	$(BIN)/python -m tests.deploy.lint
	$(BIN)/python -m tests.upgrades.lint_migrations

# bench, faults and soak need PostgreSQL and Java; docs/testing.md says how long each takes.
# FULL=1 adds the runs with millions of rows, OTHERS=1 other systems beside ours: redis-server and Go for all of them.
bench: .venv/.requirements-bench
	@exec $(BIN)/python -m benchmarks

faults: setup-dev
	@FAULTS_TABLE=docs/reliability.md exec $(BIN)/python -m pytest tests/faults -n 2 --dist loadgroup

soak: setup-dev
	@exec $(BIN)/python -m tests.faults.soak --minutes $(MINUTES) $(if $(SEED),--seed $(SEED))

# After a change of requirements.txt or requirements-dev.txt: all that they bring along, each with its hashes.
COMPILE := $(BIN)/pip-compile --quiet --generate-hashes --allow-unsafe --strip-extras \
  --no-emit-index-url --no-emit-trusted-host --no-emit-find-links

lock: setup-dev
	$(COMPILE) --output-file=requirements.lock requirements.txt
	$(COMPILE) --constraint=requirements.lock --output-file=requirements-dev.lock requirements-dev.txt

# A stamp file for each lock: pip runs again only where that changed.
.venv/.requirements: requirements.lock | .venv/bin/pip
	@echo "Installing requirements.lock ..."
	@$(BIN)/python -m pip install --quiet --require-hashes -r requirements.lock
	@touch $@

.venv/.requirements-dev: requirements-dev.lock .venv/.requirements
	@echo "Installing requirements-dev.lock ..."
	@$(BIN)/python -m pip install --quiet --require-hashes -r requirements-dev.lock
	@touch $@

.venv/.requirements-bench: benchmarks/requirements.txt .venv/.requirements-dev
	@echo "Installing benchmarks/requirements.txt ..."
	@$(BIN)/python -m pip install --quiet -r benchmarks/requirements.txt
	@touch $@

.venv/bin/pip:
	@command -v $(PYTHON) >/dev/null || { \
	  echo "There is no $(PYTHON). On Debian: apt-get install python3 python3-venv" >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "Python 3.11 or newer is needed; $(PYTHON) is older. Another one: make $(or $(MAKECMDGOALS),run) PYTHON=python3.12" >&2; exit 1; }
	@$(PYTHON) -c 'import venv, ensurepip' 2>/dev/null || { \
	  echo "$(PYTHON) cannot make virtual environments. On Debian: apt-get install python3-venv" >&2; exit 1; }
	@rm -rf .venv
	@$(PYTHON) -m venv .venv || { rm -rf .venv; exit 1; }

clean:
	rm -rf .venv .kafka staticfiles .mypy_cache .ruff_cache .pytest_cache .import_linter_cache

# Each target makes the virtual environment that it needs, and again when pyproject.toml changes.
# With uv where it is installed, else with venv and pip. VENV=<folder> puts it elsewhere.

VENV ?= .venv
BIN := $(VENV)/bin
SHELL := /bin/sh
.DEFAULT_GOAL := help
.PHONY: help demo serve test campaign engines conformance lint docs api bench
.DELETE_ON_ERROR:

help: ## Say what there is
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/  make \1\t\2/p' Makefile

demo: $(VENV)/.for-use ## Push, promote, move, undo and compare real images in ./.liftlock/demo
	@$(BIN)/python -m liftlock_cli.demo

serve: $(VENV)/.for-use ## Serve ./.liftlock/store at port 5000, or as configured
	@exec $(BIN)/liftlock serve

test: $(VENV)/.for-work ## Run the tests; PYTEST="-k name" says which
	@$(BIN)/python -m pytest $(PYTEST)

campaign: $(VENV)/.for-work ## Run the long campaigns of the tests
	@$(BIN)/python -m pytest -m long $(PYTEST)

engines: $(VENV)/.for-work ## Run the tests with the daemons of docker and containerd, as root
	@LIFTLOCK_REQUIRE_CLIENTS=1 $(BIN)/python -m pytest -m engines $(PYTEST)

conformance: $(VENV)/.for-use ## Run the OCI suite; SUITE=<distribution-spec>/conformance; needs go
	@$(BIN)/python tests/conformance/run.py "$(SUITE)"

lint: $(VENV)/.for-work ## Check form, types, spelling and layers
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/codespell
	$(BIN)/lint-imports

docs: $(VENV)/.for-docs ## Build the site into build/site; a broken link is an error
	@$(BIN)/python -m sphinx -q -W --keep-going -b html docs build/site
	@echo build/site/index.html

api: $(VENV)/.for-work ## Write down what is public, after it was changed on purpose
	@$(BIN)/python tests/unit/public_api.py

bench: $(VENV)/.for-work ## Run the benchmarks; BENCH=name says which
	@$(BIN)/python benchmarks/run.py $(BENCH)

$(VENV)/.for-use: pyproject.toml
	@$(call install,--editable .)
	@touch $@

$(VENV)/.for-work: pyproject.toml
	@$(call install,--editable . --group dev)
	@touch $@ $(VENV)/.for-use

$(VENV)/.for-docs: pyproject.toml
	@$(call install,--editable . --group docs)
	@touch $@ $(VENV)/.for-use

# pip knows --group since 25.1, and a new virtual environment may have an older one.
define install
set -e; \
if command -v uv >/dev/null; then \
  uv venv --quiet --allow-existing --python '>=3.11' $(VENV); \
  uv pip install --quiet --python $(BIN)/python $(1); \
else \
  $(find-python); \
  "$$python" -m venv $(VENV); \
  $(BIN)/python -m pip install --quiet --disable-pip-version-check --upgrade 'pip>=25.1'; \
  $(BIN)/python -m pip install --quiet --disable-pip-version-check $(1); \
fi
endef

define find-python
python=; \
for name in python3 python3.14 python3.13 python3.12 python3.11 python; do \
  if "$$name" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then \
    python="$$name"; break; \
  fi; \
done; \
if [ -z "$$python" ]; then \
  echo "Liftlock needs Python 3.11 or newer; none of python3, python3.11 to python3.14 and python is that. Install one, or uv." >&2; \
  exit 1; \
fi
endef

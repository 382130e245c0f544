# The two commands: `make demo` and `make test`. Each sets up what it needs in .venv.
PYTHON ?= $(shell command -v python3.11 || command -v python3.12 || command -v python3.13 || command -v python3)
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint requirements.lock

.PHONY: demo test test-slow check format clean

demo: $(VENV)/.main  ## The main job, offline, on sounds made by synthesis
	$(BIN)/ecosight demo

test: $(VENV)/.dev  ## The fast suite
	$(BIN)/python -m pytest -n 2 --dist loadfile -m "not slow"

# They watch no clock, so two may run at once; what does runs alone.
SIMULATIONS := tests/ab_testing/stats tests/dataset tests/evaluation

test-slow: $(VENV)/.dev  ## Kill storms and simulations of minutes
	$(BIN)/python -m pytest -n 2 -m slow $(SIMULATIONS)
	$(BIN)/python -m pytest -m slow tests $(addprefix --ignore=,$(SIMULATIONS))

check: $(VENV)/.dev  ## Style, types, floors
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(VENV)/.dev
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean:
	rm -rf $(VENV) demo_data build *.egg-info .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis

$(VENV)/.python:
	@"$(PYTHON)" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] < (3, 14))' || \
		{ echo "EcoSight needs Python 3.11 to 3.13; name one: make PYTHON=/path/to/python3.11"; exit 1; }
	"$(PYTHON)" -m venv $(VENV)
	@touch $@

$(VENV)/.main: $(VENV)/.python pyproject.toml requirements.lock
	@echo "Installing EcoSight and what it needs into $(VENV) (the first time takes some minutes) ..."
	$(PIP) --editable .
	@touch $@

$(VENV)/.dev: $(VENV)/.main
	$(PIP) --editable ".[dev]"
	@touch $@

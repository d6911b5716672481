# Every target works in a fresh clone; .venv is made when it is missing.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt

.PHONY: demo test check fix bench torture docs clean

# Train on the bundled play for a minute, write new lines in its manner, score two sentences.
demo: $(VENV)/.run
	$(BIN)/charnn train --minutes 1 --out checkpoints/demo --overwrite
	$(BIN)/charnn sample --model checkpoints/demo --temp 0.8 --length 400 --seed 1
	@echo
	$(BIN)/charnn score --model checkpoints/demo "The lantern burns above the sea." "Sea the above burns lantern the."

test: $(VENV)/.dev
	$(BIN)/python -m pytest

# Lint, format, types: what CI asks before the tests.
check: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

fix: $(VENV)/.dev
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: $(VENV)/.dev
	$(BIN)/python benchmarks/encoding.py
	$(BIN)/python benchmarks/memory.py
	$(BIN)/python benchmarks/inference.py
	$(BIN)/python -m benchmarks.loss

# The long campaign of kills and faults; a short one is part of `make test`.
torture: $(VENV)/.dev
	$(BIN)/python -m tests.torture

# docs/commands.md: every command's help, from the program; a test fails when it is out of date.
docs: $(VENV)/.run
	$(BIN)/python -m docs.generate

clean:
	rm -rf $(VENV) build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis .coverage

$(VENV)/.run: pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(PIP) --editable .
	touch $@

$(VENV)/.dev: pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(PIP) --editable '.[dev]'
	touch $@

# Every target works in a fresh clone; .venv is made when it is missing.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
LOWEST := .venv-lowest
# A test file stays in one process; each process has one thread, so that they don't wait for each other.
PYTEST := -m pytest --numprocesses auto --dist loadfile --no-loadscope-reorder
test coverage test-lowest: export OMP_NUM_THREADS = 1
UNPICKLERS := 'pickle|joblib|\bdill\b|shelve|marshal|torch\.load|\bnp\.load|numpy\.load|read_pickle'
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt

.PHONY: demo browser test coverage test-lowest check fix bench torture distributed fuzz docs picture clean

# Train on the bundled play for a minute, generate new text, score two sentences.
demo: $(VENV)/.run
	$(BIN)/charnn train --minutes 1 --out checkpoints/demo --overwrite
	$(BIN)/charnn sample --model checkpoints/demo --temp 0.8 --length 400 --seed 1
	@echo
	$(BIN)/charnn score --model checkpoints/demo "The lantern burns above the sea." "Sea the above burns lantern the."

test: $(VENV)/.dev browser
	$(BIN)/python $(PYTEST)

# Chromium and its driver, for the tests of exported pages: installed where that is root's on Debian; else they skip.
browser:
	@command -v chromium >/dev/null && command -v chromedriver >/dev/null || sh tests/install_chromium.sh

# The same, with the lines and branches of charnn/ that no test reaches; fails under 98 %.
coverage: $(VENV)/.dev browser
	$(BIN)/python $(PYTEST) --cov

# The same with the oldest libraries that pyproject.toml allows.
test-lowest: $(LOWEST)/.dev browser
	$(LOWEST)/bin/python $(PYTEST)

# Lint, format, types, and that nothing unpickles: what CI asks before the tests.
check: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	! grep -rnE --include='*.py' $(UNPICKLERS) charnn

fix: $(VENV)/.dev
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: $(VENV)/.dev
	$(BIN)/python -m benchmarks.encoding
	$(BIN)/python -m benchmarks.memory
	$(BIN)/python -m benchmarks.inference
	$(BIN)/python -m benchmarks.fill
	$(BIN)/python -m benchmarks.loss

# The long campaign of kills and faults; a short one is part of `make test`.
torture: $(VENV)/.dev
	$(BIN)/python -m tests.torture

# Several processes: equal losses, resumed runs, kills, signals; two machines, which needs root; what an exchange costs.
distributed: $(VENV)/.dev
	$(BIN)/python -m tests.distributed_campaign
	$(BIN)/python -m tests.two_machines
	$(BIN)/python -m benchmarks.distributed

# A hundred thousand hostile inputs for everything that reads; a short campaign is part of `make test`.
fuzz: $(VENV)/.dev
	$(BIN)/python -m tests.fuzz

# The generated parts of docs/; a test fails when they are out of date. And a page of the bundled model, not committed.
docs: $(VENV)/.run
	$(BIN)/python -m docs.generate
	$(BIN)/charnn export checkpoints/shakespeare -o docs/shakespeare.html

# The pictures in docs/ of an exported page, of curves, cells and a notebook; some minutes.
picture: $(VENV)/.dev browser
	$(BIN)/python -m docs.page_picture
	$(BIN)/python -m docs.pictures

clean:
	rm -rf $(VENV) $(LOWEST) build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis .coverage*

$(VENV)/.run: pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(PIP) --editable .
	touch $@

$(VENV)/.dev: pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(PIP) --no-compile --editable '.[dev]'
	-$(BIN)/python -m compileall -qq --workers 0 $(VENV)/lib  # on all cores; pip compiles on one
	touch $@

$(LOWEST)/.dev: pyproject.toml constraints-lowest.txt
	test -x $(LOWEST)/bin/python || $(PYTHON) -m venv $(LOWEST)
	$(LOWEST)/bin/python -m pip install --quiet --disable-pip-version-check --constraint constraints-lowest.txt \
		--editable '.[dev]'
	touch $@

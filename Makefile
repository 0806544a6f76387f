# make demo    install, train the first job, show which sensors can be switched off
# make test    all tests            make check   lint, types, import rules
#              make test-fast: all in one process each, nothing real is started; make nightly: all, and more of each
# make bench   benchmarks that fit half an hour, into benchmarks/results.md
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
DEV_STAMP := $(VENV)/.installed-dev
# Where pip should look for PyTorch's own wheels, e.g. its CPU or CUDA index; empty means pip's usual places.
TORCH_INDEX ?=

PIP_INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt

.PHONY: demo test test-fast nightly check bench format lock clean

demo: $(STAMP)
	$(BIN)/dynst train jobs/quickstart.yaml

# Torch's threads would only be in the way of the other tests'.
PYTEST := OMP_NUM_THREADS=1 $(BIN)/pytest -n auto --no-loadscope-reorder --durations 20

test: $(DEV_STAMP)
	$(PYTEST)

test-fast: $(DEV_STAMP)
	$(PYTEST) -m "not process and not browser"

nightly: $(DEV_STAMP)
	$(PYTEST) --nightly

check: $(DEV_STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo

bench: $(DEV_STAMP)
	$(BIN)/python -m benchmarks.all

format: $(DEV_STAMP)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

# Exact versions of everything that is installed now; the local label of a CPU wheel is cut off, PyPI does not have it.
lock: $(DEV_STAMP)
	$(BIN)/python -m pip freeze --exclude-editable | sed 's/+cpu//' > constraints.txt

$(STAMP): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "DynST needs Python 3.11 or newer, but $(PYTHON) is older; run: make PYTHON=python3.11 ..."; exit 2; }
	$(PYTHON) -m venv $(VENV)
	@if [ -n "$(TORCH_INDEX)" ]; then $(BIN)/python -m pip install --quiet --index-url "$(TORCH_INDEX)" $$(grep '^torch==' constraints.txt); fi
	@echo "Installing into $(VENV); this takes a few minutes the first time."
	$(PIP_INSTALL) -e .
	@touch $(STAMP)

# What tests and checks need beside that: other people's servers, browsers and schemas.
$(DEV_STAMP): $(STAMP)
	@echo "Installing what tests and checks need; a minute more."
	$(PIP_INSTALL) -e ".[dev]"
	@touch $(DEV_STAMP)

clean:
	rm -rf $(VENV) runs .pytest_cache .mypy_cache .ruff_cache

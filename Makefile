# Each target does all its own set-up, in .venv. Another Python: make test PYTHON=python3.12
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip -qq --disable-pip-version-check --no-input
METADATA := setup.cfg pyproject.toml
# In the order of their names: real crawls come long before the many quick units, which
# keep all workers busy at the end.
PARALLEL := --numprocesses auto --maxprocesses 4 --dist loadfile --no-loadscope-reorder

# Images of containers set it; each process of the tests would compile the package anew.
unexport PYTHONDONTWRITEBYTECODE

.DELETE_ON_ERROR:
# Not with -j, either: they install into one environment.
.NOTPARALLEL:
.PHONY: help demo test docs fuzz report faults oracle bench clean

help:
	@echo "make demo   crawl a gated bookshop, no key needed"
	@echo "make test   ruff, mypy and the tests"
	@echo "make docs   the documentation as a site, in build/docs"
	@echo "make fuzz   ten minutes of broken pages, replies and settings"
	@echo "make report how well the corpus of pages is read"
	@echo "make faults what a crawl makes of every fault of the service"
	@echo "make oracle what crawls pay, against a browser that goes page by page"
	@echo "make bench  the benchmarks"
	@echo "make clean  remove what the others made"

# Never by a key that happens to be set: the demo costs nothing.
demo: $(VENV)/demo
	rm -f example_project/demo.jsonl
	cd example_project && env -u ONECAPTCHA_API_KEY ../$(BIN)/scrapy crawl books \
	  -s ONECAPTCHA_LEDGER=demo.jsonl
	cd example_project && ../$(BIN)/scrapy onecaptcha report demo.jsonl --html report.html

test: $(VENV)/dev
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/zizmor --offline --quiet .github/workflows
	$(BIN)/check-jsonschema --builtin-schema vendor.github-workflows .github/workflows/*.yml
	$(BIN)/check-jsonschema --builtin-schema vendor.readthedocs .readthedocs.yaml
	$(BIN)/pytest -m "not long" $(PARALLEL)

# Warnings are errors: a dangling link or reference stops it.
docs: $(VENV)/docs
	$(BIN)/sphinx-build -q -E -W --keep-going -n -b html docs build/docs

# What make test leaves out; other examples than its own, and twenty times as many.
fuzz: $(VENV)/dev
	$(BIN)/pytest -m long $(PARALLEL)
	FUZZ=20 $(BIN)/pytest tests/fuzz
	$(BIN)/python -m tests.flow.oracle --long

# How well pages are told apart, and what is read from them.
report: $(VENV)/dev
	$(BIN)/python -m tests.corpus

# Every fault of the service at every call: what it does to a page, and costs.
faults: $(VENV)/dev
	$(BIN)/python -m tests.faults

# Each kind of clearance under each load, in virtual time: what it costs.
oracle: $(VENV)/dev
	$(BIN)/python -m tests.flow.oracle

bench: $(VENV)/dev
	$(BIN)/python -m benchmarks

clean:
	rm -rf $(VENV) build dist *.egg-info .mypy_cache .pytest_cache .ruff_cache
	rm -rf .hypothesis
	rm -f example_project/books.jsonl example_project/captchas.jsonl
	rm -f example_project/demo.jsonl example_project/report.html
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# Stamps: what they name is made again when the metadata changes.
$(VENV)/demo: $(METADATA) $(VENV)/made
	$(PIP) install --editable ".[scripts]"
	@touch $@

$(VENV)/dev: $(METADATA) $(VENV)/made
	$(PIP) install --editable ".[dev]"
	@touch $@

$(VENV)/docs: $(METADATA) $(VENV)/made
	$(PIP) install --editable ".[docs]"
	@touch $@

$(VENV)/made:
	@$(PYTHON) -c "import sys; sys.exit(sys.version_info < (3, 10))" || { \
	  echo "Python 3.10 or newer is needed; name one: make PYTHON=python3.12" >&2; \
	  exit 1; }
	$(PYTHON) -m venv --clear $(VENV)
	@touch $@

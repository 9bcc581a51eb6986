# make demo | make test | make check
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed

.PHONY: install demo test lint types imports check clean

install: $(INSTALLED)

$(INSTALLED): pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --disable-pip-version-check -q -c constraints.txt -e ".[demo,dev,flower-simulation,report,tracking]"
	touch $@

demo: $(INSTALLED)
	HF_HUB_OFFLINE=1 $(BIN)/federa demo

test: $(INSTALLED)
	HF_HUB_OFFLINE=1 $(BIN)/python -m pytest

lint: $(INSTALLED)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(INSTALLED)
	$(BIN)/mypy

imports: $(INSTALLED)
	$(BIN)/lint-imports

check: test lint types imports

clean:
	rm -rf $(VENV) build dist .mypy_cache .ruff_cache .pytest_cache

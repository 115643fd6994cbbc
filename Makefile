# Two commands matter: `make demo` (the main job on synthetic images) and `make test`.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
LIGHT ?= .venv-light

.PHONY: demo test light lint format trials bench clean

$(VENV)/.ready: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet -c constraints.txt -e '.[train,web,dicom,bulk,ray,tensorboard,dev]'
	touch $@

demo: $(VENV)/.ready
	$(BIN)/lesionlab demo --out demo-out

test: $(VENV)/.ready
	$(BIN)/python -m pytest -q -m "not slow"

# What works without torch, in an environment that has none.
light: $(LIGHT)/.ready
	$(LIGHT)/bin/python -m pytest -q tests/light

$(LIGHT)/.ready: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(LIGHT)
	$(LIGHT)/bin/python -m pip install --quiet -c constraints.txt -e . pytest
	touch $@

lint: $(VENV)/.ready
	$(BIN)/ruff check src tests benchmarks
	$(BIN)/ruff format --check src tests benchmarks
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(VENV)/.ready
	$(BIN)/ruff check --fix src tests benchmarks
	$(BIN)/ruff format src tests benchmarks

trials: $(VENV)/.ready
	$(BIN)/python -m pytest -q -s -m slow

# make bench DATA=path/to/HAM10000
bench: $(VENV)/.ready
	$(BIN)/python benchmarks/training_throughput.py --data $(DATA)
	$(BIN)/python benchmarks/packing.py --data $(DATA)

clean:
	rm -rf $(VENV) $(LIGHT) demo-out

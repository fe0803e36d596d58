# Every target first makes .venv if it is missing or setup.cfg has changed.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed-$(shell cat setup.cfg pyproject.toml | cksum | cut -d' ' -f1)

.DEFAULT_GOAL := help
.PHONY: help install demo test docs lock format bench bench-faces

help: ## list the targets
	@awk -F':.*## ' '/^[a-z-]+:.*## /{printf "make %-11s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

install: $(STAMP) ## the package and its development tools in .venv

$(STAMP): # its name changes with what it depends on
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e ".[dev]"
	@rm -f $(VENV)/.installed-*
	@touch $@

# The file name as typed, passed to the command in a shell variable so that no character matters.
demo: export CLIP := $(value VIDEO)
demo: $(STAMP) ## score a clip (VIDEO=FILE) next to forgeries of it, then train on synthetic heads
	$(BIN)/avforensics demo $${CLIP:+"video=$$CLIP"}

# Two processes with one thread each take about half the time of one with two threads.
test: $(STAMP) ## all tests that can run on this machine
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder

docs: $(STAMP) ## the documentation as a site in outputs/site
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e ".[docs]"
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --strict --quiet

lock: $(STAMP) ## write constraints.txt: the versions in .venv
	$(BIN)/python scripts/lock.py >$(VENV)/constraints.txt && mv $(VENV)/constraints.txt .

format: $(STAMP) ## ruff: sort imports, fix, format
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: bench-faces ## benchmark this machine (an hour), update docs/benchmarks.md
	$(BIN)/python scripts/bench_command.py
	$(BIN)/python scripts/bench_training.py
	$(BIN)/python scripts/bench.py

bench-faces: $(STAMP) ## benchmark face detection only (ten minutes); VIDEO=FILE for your own video
	$(BIN)/python scripts/bench_faces.py $(VIDEO)

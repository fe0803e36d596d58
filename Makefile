# Every target makes .venv first where it is missing, and again when setup.cfg asks for other packages.
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

# The name of the file as typed, whatever is in it: it reaches the command as a variable of the shell.
demo: export CLIP := $(value VIDEO)
demo: $(STAMP) ## score a clip (VIDEO=FILE) beside forgeries of it; then train on synthetic heads, score them
	$(BIN)/avforensics demo $${CLIP:+"video=$$CLIP"}

# Two processes of one thread each take about half the time of one that has both cores.
test: $(STAMP) ## every test that this machine can run
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist loadfile

docs: $(STAMP) ## the documentation as a site in outputs/site
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e ".[docs]"
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --strict --quiet

lock: $(STAMP) ## write constraints.txt: the versions in .venv
	$(BIN)/python scripts/lock.py >$(VENV)/constraints.txt && mv $(VENV)/constraints.txt .

format: $(STAMP) ## ruff: order imports, mend what it can, format
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: bench-faces ## measure this machine (an hour): writes docs/benchmarks.md
	$(BIN)/python scripts/bench.py

bench-faces: $(STAMP) ## finding and cutting faces alone (ten minutes); VIDEO=FILE for one of yours
	$(BIN)/python scripts/bench_faces.py $(VIDEO)

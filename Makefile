# make demo    from the yeast genome to an evaluated model and its report
# make test    lint and every test
# Both need only Python 3.11 or later, git and make. Variables:
#   PYTHON=python3.12                         the Python to build .venv with
#   CORES=8                                   cores for the demo
#   PIP_ARGS="--extra-index-url https://download.pytorch.org/whl/cpu"   a smaller, CPU-only torch
PYTHON ?= python3
CORES ?= 2
PIP_ARGS ?=
CONFIG ?=

BIN := .venv/bin
SNAKEMAKE := PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/snakemake
DEMO_CONFIG := $(if $(CONFIG),--configfile $(CONFIG))

.PHONY: demo test lint install clean

demo: install
	@$(SNAKEMAKE) --unlock --cores 1 $(DEMO_CONFIG) >/dev/null 2>&1 || true
	$(SNAKEMAKE) --cores $(CORES) --rerun-incomplete $(DEMO_CONFIG)
	$(SNAKEMAKE) --cores 1 --report results/report.html $(DEMO_CONFIG)
	@$(BIN)/dnalm results results
	@echo "Report: $(CURDIR)/results/report.html"

test: install lint
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest --numprocesses $(CORES) --dist loadfile --no-loadscope-reorder

lint: install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/snakefmt --check workflow
	$(SNAKEMAKE) --lint

install: .venv/installed

.venv/installed: requirements.lock pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "dnalm needs Python 3.11 or later, this is " + sys.version)'
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet $(PIP_ARGS) --requirement requirements.lock
	$(BIN)/python -m pip install --quiet --no-deps --editable .
	@touch $@

clean:
	rm -rf .venv results .snakemake

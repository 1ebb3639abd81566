# make run    the whole chain at the default preset, every table and figure
# make test   what a contributor runs: the units, the official code's numbers, the rules' plans and one whole chain
# make test-all   these, and what takes long: the other chains, faults, Slurm, the page in a browser
# make plan   what that would still take; CONFIG="preset=paper gpus=8" asks about another choice
# make adopt  results that were copied here count as finished once their receipts are checked, whatever their times; trains nothing
# make archive   one zip of everything but weights and samples, to deposit
# make env    .venv alone, from the pinned requirements: for a login node, or before one table
# Each makes .venv first. PYTHON=python3.12 chooses another interpreter; CPU_INDEX=ADDRESS takes PyTorch's CPU builds from there: workflow/README.md.

PYTHON ?= python3
VENV := .venv
LOCK := workflow/envs/requirements.lock
READY := $(VENV)/.installed
UV := $(VENV)/bin/uv

# The lock without what only PyTorch's builds for NVIDIA's GPUs need, where the CPU builds are installed in their place.
PINS := $(if $(CPU_INDEX),$(VENV)/cpu.lock,$(LOCK))
# Whether what lies in .venv points to another place, for the checkout was moved or copied, or its Python is gone.
STALE := $(shell test ! -e $(VENV)/bin/activate || { test -x $(VENV)/bin/python && \
	sed 's/.*VIRTUAL_ENV=//' $(VENV)/bin/activate | tr -d "\"'" | grep -qFx '$(CURDIR)/$(VENV)'; } || echo yes)
ifneq ($(STALE),)
.PHONY: $(READY)
endif

.PHONY: run env test test-all plan adopt archive report lint format lock schemas clean help

run: $(READY)
	@test -e results/digits/report.html || echo "preset digits takes 15 minutes on two quiet cores to 50 on busy ones, 1.2 GB in results, 1.1 GB of memory a core"
	$(VENV)/bin/snakemake --cores all --scheduler greedy --quiet host reason --rerun-incomplete --show-failed-logs

env: $(READY)

# One thread a worker: threads of two workers on two cores wait for each other, and the suite takes twice as long. The longest files first, so
# that no core waits at the end; a file of two tests brings the next one but two to its worker.
PYTEST := OMP_NUM_THREADS=1 $(VENV)/bin/python -m pytest --dist loadfile --no-loadscope-reorder
CHAIN := tests/workflow/test_end_to_end.py tests/workflow/test_dag.py
LONGEST := $(patsubst %,tests/%.py,workflow/test_slurm faults/test_workflow_kills workflow/test_coco workflow/test_containers \
	workflow/test_imagenet workflow/test_fashion workflow/test_end_to_end)
# By name: a folder named beside one of its files is collected in its own order.
OTHERS := $(filter-out $(LONGEST),$(wildcard tests/workflow/test_*.py tests/faults/test_*.py)) tests/browser tests/parity tests/unit

test: $(READY)
	$(PYTEST) -n 2 $(CHAIN) tests/parity tests/unit

# A third worker for the minutes in which Slurm's test waits for a queue and the kills wait for processes to end.
test-all: $(READY)
	$(PYTEST) -n 3 $(LONGEST) $(OTHERS)

plan: $(READY)
	@$(VENV)/bin/snakemake plan --cores 1 --quiet all $(if $(CONFIG),--config $(CONFIG))

adopt: $(READY)
	@$(VENV)/bin/sra adopt $(CONFIG)

archive: $(READY)
	$(VENV)/bin/snakemake archive --cores all --scheduler greedy --quiet host reason --rerun-incomplete --show-failed-logs $(if $(CONFIG),--config $(CONFIG))

report: $(READY)
	$(VENV)/bin/snakemake refresh --cores 1 --quiet host reason $(if $(CONFIG),--config $(CONFIG))

lint: $(READY)
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/snakefmt --check Snakefile workflow
	$(VENV)/bin/snakemake --lint

format: $(READY)
	$(VENV)/bin/ruff check --fix .
	$(VENV)/bin/ruff format .
	$(VENV)/bin/snakefmt Snakefile workflow

schemas: $(READY)
	$(VENV)/bin/python -m sra.content.schemas

# Pins for every platform and Python from 3.11 on, with hashes and without any registry's address.
lock: $(READY)
	$(VENV)/bin/pip install --quiet uv
	env -u UV_FIND_LINKS $(UV) pip compile pyproject.toml --extra test --universal --python-version 3.11 --generate-hashes \
		--no-emit-index-url --no-emit-find-links --no-header --quiet --output-file $(LOCK)
	$(VENV)/bin/python workflow/envs/environment.py

clean:
	rm -rf $(VENV) .snakemake

help:
	@sed -n 's/^# //p' Makefile | head -8

$(READY): $(LOCK) pyproject.toml
	@$(PYTHON) -c 'import sys; sys.version_info >= (3, 11) or sys.exit("error: Python 3.11 or newer is needed; name one with make PYTHON=...")'
	@echo "$(VENV) takes $(if $(CPU_INDEX),about 2.5,6.5) GB and some minutes$(if $(CPU_INDEX),,; on Linux 4 GB of it serve NVIDIA's GPUs alone: see CPU_INDEX in make help)"
	$(if $(STALE),@echo "$(VENV) was made in another place or has lost its Python: it is made anew")
	$(PYTHON) -m venv $(if $(STALE),--clear) $(VENV)
ifdef CPU_INDEX
	$(VENV)/bin/pip install --quiet --disable-pip-version-check --no-deps --no-compile --index-url $(CPU_INDEX) \
		$$(sed -nE 's/^((torch|torchvision)==[^ ]+).*/\1/p' $(LOCK))
	awk '/^[a-z]/ { kept = !/^(torch|torchvision|triton)==|^(cuda|nvidia)-/ } kept' $(LOCK) > $(PINS)
endif
	$(VENV)/bin/pip install --quiet --disable-pip-version-check --require-hashes --no-deps --no-compile -r $(PINS)
	-@$(VENV)/bin/python -m compileall -qq -j 0 $(VENV)/lib  # on every core, which pip does on one
	$(VENV)/bin/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

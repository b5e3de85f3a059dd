# What a newcomer needs is the first three; everything runs in .venv, made from the lock.
PYTHON ?= python3
BIN := .venv/bin
STAMP := .venv/.installed
# Workers of the tests; each starts real servers.
JOBS ?= 2
# Where memory has 4 GB to spare the tests' files go there: they wait for thousands of fsyncs else.
IN_MEMORY := $(shell df -Pk /dev/shm 2>/dev/null | awk 'NR == 2 && $$4 > 4000000 {print "TMPDIR=/dev/shm"}')

# Of the tests each worker is a thread: more of them would only wait for each other.
ONE_THREAD := OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1

.DEFAULT_GOAL := help
.PHONY: help demo test check format stubs lock clean bench bench-quality bench-live fuzz chaos

help:  ## Show this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 15

demo: $(STAMP)  ## Train on a year of groceries, serve, and show recommendations
	@$(BIN)/recsvc demo

# Tests start hundreds of processes: each would compile our modules anew where none may be kept.
test: export PYTHONDONTWRITEBYTECODE :=
test: $(STAMP)  ## Run all tests
	@$(BIN)/coverage erase
	@# By worksteal a worker has neighbours, so that few models of a module are made twice.
	@$(IN_MEMORY) $(ONE_THREAD) $(BIN)/python -m pytest -n $(JOBS) --dist worksteal --cov --cov-report=
	@# The total is pytest-cov's to check; the core and the artifacts must be covered whole.
	@report=$$($(BIN)/coverage report --include='recsvc/core/*,recsvc/artifacts/*' --fail-under=100 2>&1) \
	  || { echo "$$report"; echo "error: recsvc/core and recsvc/artifacts need 100 % coverage" >&2; exit 1; }

check: $(STAMP)  ## The static gate: lint, format, types, imports, protos
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy --num-workers $(JOBS)
	$(BIN)/lint-imports
	$(BIN)/python protos/generate.py --check --lint

format: $(STAMP)  ## Format the code and mend what can be mended
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

stubs: $(STAMP)  ## Generate recsvc/v1 from protos
	$(BIN)/python protos/generate.py

UV_COMPILE := uv pip compile --universal --python-version 3.11 --no-emit-index-url --no-emit-find-links \
  --no-header --no-annotate --quiet

lock:  ## Bring requirements.lock, and what images have of it, up to date (needs uv on the PATH)
	$(UV_COMPILE) --generate-hashes --all-extras pyproject.toml --output-file requirements.lock
	$(UV_COMPILE) --constraints requirements.lock pyproject.toml --output-file deploy/packages/server.txt
	$(UV_COMPILE) --constraints requirements.lock --extra training pyproject.toml \
	  --output-file deploy/packages/nightly.txt
	echo hatchling | $(UV_COMPILE) --constraints requirements.lock - \
	  --output-file deploy/packages/build.txt

# DATA=FOLDER adds the sets whose files are there, SETS="NAME NAME" chooses among all.
bench-quality: $(STAMP)  ## Compare with other libraries and write docs/quality.md
	@$(BIN)/python -m tests.benchmarks.quality run $(if $(DATA),--data "$(DATA)") $(SETS:%=--set %)
	@$(BIN)/python -m tests.benchmarks.quality ablate $(if $(DATA),--data "$(DATA)")

# REGISTRY=FOLDER measures the model there, else one is trained; ROUNDS=N takes so many turns.
bench: export PYTHONDONTWRITEBYTECODE :=
bench: $(STAMP)  ## Measure speed beside bare gRPC and Redis: a table, and JSON
	@$(BIN)/python -m tests.benchmarks.speed all \
	  $(if $(REGISTRY),--registry "$(REGISTRY)") $(if $(ROUNDS),--rounds $(ROUNDS))

bench-live: $(STAMP)  ## Measure freshness, and events under fire, as JSON
	@$(BIN)/python -m tests.benchmarks.live freshness
	@$(BIN)/python -m tests.benchmarks.live exactly-once

# Failures go to fuzz-failures; docs/fuzzing.md says what is looked for.
REQUESTS ?= 1000000
FILES ?= 200000
SEED ?= 1
fuzz: export PYTHONDONTWRITEBYTECODE :=
fuzz: $(STAMP)  ## Send hostile requests and read hostile files, REQUESTS and FILES of them
	@$(IN_MEMORY) $(ONE_THREAD) $(BIN)/python -m tests.fuzz requests --count $(REQUESTS) --seed $(SEED)
	@$(IN_MEMORY) $(ONE_THREAD) POLARS_MAX_THREADS=1 $(BIN)/python -m tests.fuzz files --count $(FILES) --seed $(SEED)

# SEED draws other faults; as root, or in a user namespace, the disk is filled too.
MINUTES ?= 10
chaos: $(STAMP)  ## Load a service while all that is behind it fails, and judge each answer
	@$(BIN)/python -m tests.chaos --minutes $(MINUTES) --seed $(SEED)

clean:  ## Remove what was made here, models of the demo included
	rm -rf .venv .demo .bench .coverage* .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache \
	  fuzz-failures examples/typescript/gen examples/typescript/node_modules

$(STAMP): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(not ((3, 11) <= sys.version_info < (3, 14)))' || \
	  { echo "error: Python 3.11 to 3.13 is needed; name one: make PYTHON=python3.11 $(MAKECMDGOALS)" >&2; exit 1; }
	@echo "Setting up .venv from requirements.lock: a minute or two, and only once."
	@$(PYTHON) -m venv .venv
	@# The lock is whole: resolving it anew, older pips look past it for the extras of a package.
	@$(BIN)/python -m pip install -qq --disable-pip-version-check --no-compile --no-deps --require-hashes \
	  -r requirements.lock
	@# pip would compile on one core; a file of another Python is passed over, as pip does.
	@$(BIN)/python -m compileall -qq -j 0 .venv/lib || true
	@$(BIN)/python -m pip install -qq --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@# Ours too: where a process may write none, each would compile 230 modules when it starts.
	@$(BIN)/python -m compileall -qq -j 0 recsvc training
	@touch $@

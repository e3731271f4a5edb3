# make demo   the whole product on an embedded sandbox, no account needed
# make test   all tests, with the real components they start
# make check  linters, types and layers
SHELL := /bin/bash
.DEFAULT_GOAL := help
.PHONY: help demo test test-thorough test-all attack attack-cluster check ci image package lock docs pictures bench clean venv
BIN := .venv/bin
# Compiled modules are kept, also where the environment says not to: hundreds of tests start the program as a process, and
# each would compile it, and what it imports, anew: 3.1 s where it is 1.1.
export PYTHONDONTWRITEBYTECODE :=
# One more than there are cores: many tests wait for a process, a disk or an answer.
WORKERS ?= $(shell echo $$(($$(nproc) + 1)))
# Temporary folders are in memory where there is room: each test that keeps a state or an archive waits for the disk otherwise.
# Those that need a disk say so.
ROOMY := $(shell [ -w /dev/shm ] && [ $$(df -Pk /dev/shm | awk 'NR==2 {print $$4}') -gt 1500000 ] && echo PYTEST_DEBUG_TEMPROOT=/dev/shm)
PYTEST_ALL := $(ROOMY) $(BIN)/pytest -n $(WORKERS) --dist worksteal

help:
	@sed -n 's/^# make/  make/p' Makefile

venv:
	@.ci/venv dev

demo:
	@.ci/venv run
	@$(BIN)/sauce-janitor demo

test: venv
	@.ci/components
	$(PYTEST_ALL) $(PYTEST)

# make test-thorough   what `make test` leaves out: all end-to-end tests on PostgreSQL and S3, the image, weeks of a daemon, real minutes of its schedule; 1,000 examples a law
test-thorough: venv
	@.ci/components
	$(PYTEST_ALL) -m "thorough or hypothesis" --hypothesis-profile thorough --timeout 1800 $(PYTEST)

# make attack SEEDS=200 STEP=20   seeded faults, and a strike at every 20th system call of a run; ONLY=seed:17 replays one
SEEDS ?= 200
STEP ?= 20
OTHERS ?= 12
attack: venv
	@$(BIN)/python -m tests.attack.run $(if $(SEED),--only seed:$(SEED),$(if $(ONLY),--only $(ONLY),\
	  --seeds $(SEEDS) --step $(STEP) --others $(OTHERS)))

# make attack-cluster ROUNDS="--kills 20 --stops 5"   several workers on PostgreSQL, killed, stopped, cut off; --help lists the rounds
ROUNDS ?= --kills 20 --stops 5 --cuts 5 --server-kills 3
attack-cluster: venv
	@.ci/components
	@$(BIN)/python -m tests.attack.cluster $(ROUNDS)

# make test-all   make test, make test-thorough, then the whole attack: some hours
test-all: test test-thorough
	@$(BIN)/python -m tests.attack.cluster --kills 200 --stops 100 --cuts 50 --clocks 6
	@$(BIN)/python -m tests.attack.cluster --server-kills 50 --server-faults 5
	@$(BIN)/python -m tests.attack.cluster --kills 20 --store-faults 3 --archive s3
	@$(BIN)/python -m tests.attack.run --seeds 2000 --step 1 --others 60
	@$(BIN)/python -m tests.attack.knockouts

check: venv
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

# make ci     check, docs and test; fails if one does, after all have run
ci:
	@status=0; for target in check docs test; do $(MAKE) --no-print-directory $$target || status=1; done; \
	  [ $$status = 0 ] && echo "ci: all green" || echo "ci: FAILED"; exit $$status

# make image  the container image, without a Docker engine, as the tests do (root on Debian)
image: venv
	@.ci/components
	@.ci/image build

# make package  the wheel, the source archive and the SBOM of a release, into dist/
package: venv
	@.ci/package

# make lock   locks the dependencies anew, with hashes
lock: venv
	@for set in "run pyproject.toml" "cluster pyproject.toml --extra cluster" \
	  "dev pyproject.toml --extra cluster --group lint --group test" "docs --group docs" "bench --group bench"; do set -- $$set; name=$$1; shift; \
	  $(BIN)/uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-emit-find-links \
	    --no-header --upgrade $$@ -o requirements/$$name.txt; done
	@for name in build nanio; do $(BIN)/uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
	  --no-emit-find-links --no-header --upgrade requirements/$$name.in -o requirements/$$name.txt; done

# make docs   the documentation's site in site/; fails on a broken link and on a page outside the navigation
docs:
	@.ci/venv docs
	@NO_MKDOCS_2_WARNING=1 .venv-docs/bin/mkdocs build --strict
	@echo "site/index.html"

# make pictures  makes docs/images again: the flow, the plan that the demo prints, and two pages of the console
pictures: venv
	@$(BIN)/python docs/make_pictures.py
	@$(BIN)/python docs/make_console_pictures.py

# make bench  every benchmark, ratios against a naive client in the same run
bench: venv
	@.ci/venv bench
	@for script in benchmarks/*.py; do echo "== $$script"; $(BIN)/python $$script || exit 1; done

clean:
	rm -rf .venv .venv-docs .venv-bench site .components dist sauce-janitor-demo .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis

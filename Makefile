# make demo   the whole product on an embedded sandbox, no account needed
# make test   all tests, with the real components they start
# make check  linters, types and layers
SHELL := /bin/bash
.DEFAULT_GOAL := help
.PHONY: help demo test check ci image lock bench clean venv
BIN := .venv/bin

help:
	@sed -n 's/^# make/  make/p' Makefile

venv:
	@.ci/venv dev

demo:
	@.ci/venv run
	@$(BIN)/sauce-janitor demo

test: venv
	@.ci/components
	$(BIN)/pytest -n auto --dist worksteal $(PYTEST)

check: venv
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

# make ci     test and check; fails if either does, after both have run
ci:
	@status=0; $(MAKE) --no-print-directory check || status=1; $(MAKE) --no-print-directory test || status=1; \
	  [ $$status = 0 ] && echo "ci: all green" || echo "ci: FAILED"; exit $$status

# make image  the container image, without a Docker engine, as the tests do (root on Debian)
image: venv
	@.ci/components
	@.ci/image build

# make lock   locks the dependencies anew, with hashes
lock: venv
	@for set in "run" "dev --group lint --group test"; do set -- $$set; name=$$1; shift; \
	  $(BIN)/uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-emit-find-links \
	    --no-header --upgrade pyproject.toml $$@ -o requirements/$$name.txt; done
	@$(BIN)/uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-emit-find-links \
	  --no-header --upgrade requirements/build.in -o requirements/build.txt

# make bench  every benchmark, ratios against a naive client in the same run
bench: venv
	@for script in benchmarks/*.py; do echo "== $$script"; $(BIN)/python $$script || exit 1; done

clean:
	rm -rf .venv .components dist sauce-janitor-demo .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis

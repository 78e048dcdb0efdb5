# Every target prepares the environment by itself: a virtual environment in .venv from hash-locked requirements.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
STAMP  := $(VENV)/.ready

.PHONY: demo test test-all soak lint bench lock clean

$(STAMP): requirements/dev.txt pyproject.toml
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/dev.txt
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation \
		--config-settings editable_mode=compat -e .
	@touch $(STAMP)

## demo: a legacy database, an ERP and the agent on this machine; killed, restarted, compared (about a minute)
demo: $(STAMP)
	@$(BIN)/coexist demo

## test: everything that needs only Python (under ten minutes)
test: $(STAMP) lint
	@$(BIN)/python -m pytest -n 2 --dist worksteal

## test-all: test, and what needs foreign servers
test-all: test
	@$(BIN)/python -m tests.tools.schema_checks

## soak: long random runs; counts and seeds are printed (COEXIST_SEED to repeat one)
soak: $(STAMP)
	@$(BIN)/python -m tests.soak

lint: $(STAMP)
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports

## bench: the table of docs/performance.md, and benchmarks/results.json
bench: $(STAMP)
	@$(BIN)/python -m benchmarks

## lock: renew the hash-locked requirements
lock: $(STAMP)
	@$(BIN)/pip-compile --quiet --upgrade --generate-hashes --no-emit-index-url --no-emit-find-links --no-emit-trusted-host \
		--strip-extras --allow-unsafe --no-header --extra embedded --extra dev -o requirements/dev.txt pyproject.toml
	@$(BIN)/pip-compile --quiet --upgrade --generate-hashes --no-emit-index-url --no-emit-find-links --no-emit-trusted-host \
		--strip-extras --allow-unsafe --no-header --extra embedded --extra kafka -c requirements/dev.txt \
		-o requirements/runtime.txt pyproject.toml

clean:
	@rm -rf $(VENV) var build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +

# Every target prepares the environment by itself: a virtual environment in .venv from hash-locked requirements.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
STAMP  := $(VENV)/.ready

.PHONY: demo demo-kafka test test-all stack stack-fetch kafka-kills soak lint bench bench-kafka lock clean

$(STAMP): requirements/dev.txt pyproject.toml
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/dev.txt
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation \
		--config-settings editable_mode=compat -e .
	@touch $(STAMP)

## demo: a legacy database, an ERP and the agent on this machine; killed, restarted, compared (about a minute)
demo: $(STAMP)
	@$(BIN)/coexist demo

## demo-kafka: two legacy databases through Debezium and Kafka, two replicas; killed, restarted, compared (some minutes; Java, Maven, MariaDB)
demo-kafka: $(STAMP) stack-fetch
	@$(BIN)/coexist demo-kafka

## test: what needs only Python, in less than ten minutes (the mapping oracle with fewer sequences)
test: $(STAMP) lint
	@ORACLE_SEQUENCES=$${ORACLE_SEQUENCES:-400} $(BIN)/python -m pytest -n 2 --dist worksteal -m "not sabotage and not stack"

## test-all: all of test, the native stack, the oracle at length, guards removed on purpose, deployment files
test-all: $(STAMP) lint stack-fetch
	@$(BIN)/python -m pytest -n 2 --dist worksteal -m "not kafka_kills"
	@$(BIN)/python -m tests.tools.schema_checks

## kafka-kills: replicas, workers, brokers and stores killed around Kafka; not steady enough yet to be a part of test-all
kafka-kills: $(STAMP) stack-fetch
	@$(BIN)/python -m pytest -n 2 --dist worksteal -m kafka_kills

## stack: Kafka, Connect with Debezium, MariaDB, PostgreSQL, Prometheus and Alertmanager on this machine until Ctrl-C, without Docker
stack: $(STAMP) stack-fetch
	@$(BIN)/python -m sandbox.stack

## stack-fetch: what of it Maven brings, once, into .stack/
stack-fetch: $(STAMP)
	@$(BIN)/python -m sandbox.stack.fetch

## soak: long random runs, hours of them; counts and seeds are printed (tests/soak; each can be run alone)
soak: $(STAMP)
	@$(BIN)/python -m tests.soak

lint: $(STAMP)
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports

## bench: the table of docs/performance.md, and benchmarks/results.json
bench: $(STAMP)
	@$(BIN)/python -m benchmarks

## bench-kafka: what capture through Kafka costs, how late it is, how long a killed worker silences it (Java, Maven)
bench-kafka: $(STAMP) stack-fetch
	@$(BIN)/python -m benchmarks.kafka

## lock: renew the hash-locked requirements
lock: $(STAMP)
	@$(BIN)/pip-compile --quiet --upgrade --generate-hashes --no-emit-index-url --no-emit-find-links --no-emit-trusted-host \
		--strip-extras --allow-unsafe --no-header --extra embedded --extra kafka --extra dev -o requirements/dev.txt pyproject.toml
	@$(BIN)/pip-compile --quiet --upgrade --generate-hashes --no-emit-index-url --no-emit-find-links --no-emit-trusted-host \
		--strip-extras --allow-unsafe --no-header --extra embedded --extra kafka -c requirements/dev.txt \
		-o requirements/runtime.txt pyproject.toml

clean:
	@rm -rf $(VENV) .stack var build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +

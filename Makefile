# One virtual environment, built from the hash-pinned lock; every target builds it first when it is missing or old.
# The system's own Python is preferred where it is new enough: a distribution builds it with profile-guided
# optimization, a version manager often does not, and that is worth a third of the projection's speed.
PYTHON ?= $(firstword $(foreach python,/usr/bin/python3 python3,$(shell \
	$(python) -c 'import ensurepip, sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $(python))) python3)
BIN := .venv/bin

.PHONY: setup run test test-slow test-faults outages check bench docs lock clean

setup: .venv/.ready

.venv/.ready: requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed: make PYTHON=python3.12 ...")'
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check uv==0.13.9
	$(BIN)/uv pip sync --python $(BIN)/python --require-hashes requirements.lock
	$(BIN)/uv pip install --python $(BIN)/python --quiet --no-deps --no-build-isolation --editable .
	@touch $@

run: setup
	$(BIN)/ledger dev

# In three processes, since most tests wait more than they compute. PYTEST_ARGS="tests/core -n 0": some of them, in one.
test: setup
	$(BIN)/pytest -n 3 $(PYTEST_ARGS)

# The properties of the core with fifty times as many random logs; the gate's machine with sixteen times as many runs;
# 200 calls of every model of the list prices.
test-slow: setup
	LEDGER_HYPOTHESIS=slow $(BIN)/pytest tests/core/test_properties.py tests/integration/test_gate_machine.py $(PYTEST_ARGS)
	LEDGER_SLOW=1 $(BIN)/pytest tests/contracts/test_list_prices.py $(PYTEST_ARGS)

# All that may be killed, stopped and frozen, for the better part of an hour, another way each time.
test-faults: setup
	LEDGER_SLOW=1 $(BIN)/pytest tests/faults $(PYTEST_ARGS)

# Three brokers, Postgres and all processes as in production, under load; each fault, and the table of outage lengths.
# OUTAGES_ARGS="--faults broker-killed,postgres-killed": some of them.
outages: setup
	$(BIN)/python -m tests.faults.production $(OUTAGES_ARGS)

check: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: setup
	$(BIN)/ledger bench projection

# The pages of docs/reference that follow from the program, and the JSON Schemas.
docs: setup
	$(BIN)/python -m docs.generate
	$(BIN)/python -m schemas.export

lock: setup
	$(BIN)/uv pip compile --quiet --generate-hashes --universal --python-version 3.11 --extra embedded --extra dev \
		--no-emit-index-url --custom-compile-command 'make lock' pyproject.toml -o requirements.lock

clean:
	rm -rf .venv build dist *.egg-info

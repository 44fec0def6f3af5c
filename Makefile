# make run | test | check | bench; each sets up .venv from pinned, hashed requirements first.

PYTHON := $(shell for p in python3.13 "$$(pyenv prefix 3.13 2>/dev/null)/bin/python" python3 python; do \
	"$$p" -c 'import sys; sys.exit(sys.version_info[:2] != (3, 13))' 2>/dev/null && echo "$$p" && break; done)
VENV = .venv
BIN = $(VENV)/bin
READY = $(VENV)/.ready
BENCH = .bench
export PYTHONPATH := layers/gateway:.:tests
export SAM_CLI_TELEMETRY = 0
export AWS_DEFAULT_REGION ?= us-east-1
export PATH := $(CURDIR)/$(BIN):$(PATH)

.PHONY: run test failures check format lock openapi matrix clean bench
.PHONY: bench-cold bench-cpu bench-cost bench-throughput bench-scale bench-campaign

run: $(READY)
	@exec $(BIN)/python -m local

# Two runs: the failure scenarios call the emulator from a process in which no service is faked, and
# have the machine to themselves. All else runs in two processes, of which those of a stack mostly wait.
test: $(READY)
	$(BIN)/python -m pytest -n 2 --dist loadscope --no-loadscope-reorder --ignore=tests/failures $(ARGS)
	$(BIN)/python -m pytest tests/failures

# SOAK=<minutes> draws faults at random for so long instead; SEED=<number> repeats a run.
# CAMPAIGN=100000 is how many rows the campaign has that is killed three times, 10,000 by itself;
# ARGS="-k killed_three" runs that alone.
failures: $(READY)
	@exec $(if $(SOAK),$(BIN)/python -m failures.soak $(SOAK) $(SEED),$(BIN)/python -m pytest tests/failures $(ARGS))

bench bench-cold: $(BENCH)/.ready
bench bench-cold bench-cpu bench-cost bench-throughput bench-scale bench-campaign: $(READY)
	@exec $(BIN)/python -m bench $(patsubst bench-%,%,$(filter bench-%,$@))

check: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/sam validate --lint

format: $(READY)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

openapi: $(READY)
	$(BIN)/python -m local.openapi

matrix: $(READY)
	$(BIN)/python -m local.matrix

# The gateway's layer comes first: what it has is not put into the cognito function's again.
SHARED = boto3 botocore jmespath python-dateutil s3transfer six urllib3
lock: $(READY)
	for set in layers/gateway/requirements layers/cognito/requirements requirements-dev \
			bench/requirements bench/typical bench/plots; do \
		extra=; test $$set != layers/cognito/requirements || \
			extra="-c layers/gateway/requirements.txt $(SHARED:%=--no-emit-package %)"; \
		$(BIN)/uv pip compile --quiet --upgrade --universal --python-version 3.13 \
			--generate-hashes --no-emit-index-url --no-annotate --no-header $$extra \
			$$set.in -o $$set.txt; \
	done

clean:
	rm -rf $(VENV) $(BENCH) .aws-sam .local

$(READY): requirements-dev.txt pyproject.toml
	@test -n "$(PYTHON)" || { echo "Python 3.13 is needed: install it as python3.13, or with pyenv (pyenv install 3.13)" >&2; exit 1; }
	@echo "setting up $(VENV) with $(PYTHON); the first time this takes about two minutes"
	@test -d $(VENV) || "$(PYTHON)" -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.txt
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable . \
		&& touch $(READY)

# Cold starts are measured under Lambda's own runtime client, in an interpreter that has only that,
# beside a handler whose packages lie as plain `sam build` leaves them: without byte code. What draws
# the plots lies apart, so that nobody else has to install it.
$(BENCH)/.ready: bench/requirements.txt bench/typical.txt bench/plots.txt $(READY)
	@echo "setting up $(BENCH)"
	@rm -rf $(BENCH)
	@"$(PYTHON)" -m venv $(BENCH)/runtime
	@$(BENCH)/runtime/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes \
		-r bench/requirements.txt
	@$(BENCH)/runtime/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes \
		--no-deps --no-compile --target $(BENCH)/typical -r bench/typical.txt
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes \
		--no-deps --target $(BENCH)/plots -r bench/plots.txt
	@touch $@

# Each target sets up .venv from pinned, hashed requirements first. `make` prints the list.

PYTHON := $(shell for p in python3.13 "$$(pyenv prefix 3.13 2>/dev/null)/bin/python" python3 python; do \
	"$$p" -c 'import sys; sys.exit(sys.version_info[:2] != (3, 13))' 2>/dev/null && echo "$$p" && break; done)
VENV = .venv
BIN = $(VENV)/bin
READY = $(VENV)/.ready
BENCH = .bench
POLICIES = .policies
DEPENDENCIES = .dependencies
PAGES = .pages
export PYTHONPATH := layers/gateway:.:tests
export SAM_CLI_TELEMETRY = 0
ifeq ($(filter deploy,$(MAKECMDGOALS)),) # which goes where your own configuration says
export AWS_DEFAULT_REGION ?= us-east-1
endif
export PATH := $(CURDIR)/$(BIN):$(PATH)

PYTEST = $(BIN)/python -m pytest
# Two processes are what two cores bear; a file's tests share one.
PARALLEL = -n 2 --dist loadscope --no-loadscope-reorder

.DEFAULT_GOAL = help
.PHONY: help run demo reset console screenshots deploy aws test unit integration e2e failures check format generate sbom audit lock clean bench
.PHONY: bench-cold bench-cpu bench-cost bench-throughput bench-scale bench-campaign bench-express

help: ## this list
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

run: $(READY) ## the whole gateway on this machine; goes on where it stopped (ONCE=1: one message a vendor, then stop)
	@exec $(BIN)/python -m local

demo: $(READY) ## fill what `make run` runs with three days of made-up traffic and a campaign
	@exec $(BIN)/python -m local.demo

reset: $(READY) ## forget what `make run` stored
	@exec $(BIN)/python -m local reset

console: $(READY) ## build the console for functions/console; `sam build` takes it along (needs an npm registry)
	@$(BIN)/python -m local.console

screenshots: $(READY) ## the guides' pictures of the console, from what `make run` runs and `make demo` filled
	@$(BIN)/python -m tools.browser
	@$(BIN)/python -m tools.screenshots

deploy: $(READY) ## build, and deploy to your AWS account (your parameters stand in deploy.toml)
	@$(BIN)/python -c 'import boto3, sys; sys.exit(boto3.Session().region_name is None \
		and "make deploy: no AWS region is set: export AWS_DEFAULT_REGION, or run aws configure")'
	$(BIN)/sam build
	$(BIN)/sam deploy $(if $(wildcard deploy.toml),--config-file "$(CURDIR)/deploy.toml") $(ARGS)

aws: $(PAGES)/.ready ## the AWS CLI that the guides call, as .pages/bin/aws, for who has none

# The failure scenarios call the emulator from a process in which no service is faked, and have the
# machine to themselves. Of all else, the tests of a whole stack mostly wait.
test: $(READY) $(PAGES)/.ready ## every test (ARGS="-k word" chooses), the failure scenarios last
	@$(BIN)/python -m tools.browser
	$(PYTEST) $(PARALLEL) $(if $(ARGS),,--cov) --ignore=tests/failures $(ARGS)
	$(PYTEST) tests/failures

unit: $(READY) ## tests of single modules and of the vendors' captured cases
	$(PYTEST) $(PARALLEL) tests/unit tests/vendors $(ARGS)

integration: $(READY) ## tests of the packages together, on a faked AWS
	$(PYTEST) $(PARALLEL) tests/integration tests/runtime tests/template tests/simulators tests/tools $(ARGS)

e2e: $(READY) $(PAGES)/.ready ## tests of the whole stack on the emulator, attacks on it, and the guides followed
	@$(BIN)/python -m tools.browser
	$(PYTEST) $(PARALLEL) tests/e2e tests/attacks tests/docs $(ARGS)

# CAMPAIGN=100000 is how many rows the campaign has that is killed three times; 10,000 by itself.
failures: $(READY) ## kill, throttle and garble everything (SOAK=15: minutes of faults at random, SEED=n repeats)
	@exec $(if $(SOAK),$(BIN)/python -m failures.soak $(SOAK) $(SEED),$(PYTEST) tests/failures $(ARGS))

check: $(READY) $(POLICIES)/.ready $(DEPENDENCIES)/.ready ## lint, types, imports, generated files, template, policies, vulnerabilities
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m tools.generate --check
	$(BIN)/sam validate --lint
	$(BIN)/python -m tools.regions
	$(BIN)/python -m tools.policies $(POLICIES)/written
	env -u PYTHONPATH PYTHONWARNINGS=ignore $(POLICIES)/bin/python -P tools/parliament_findings.py \
		$(POLICIES)/written/roles
	env -u PYTHONPATH $(POLICIES)/bin/python -m checkov.main --config-file tools/checkov.yaml \
		--file $(POLICIES)/written/template.json
	$(BIN)/python -m tools.vulnerabilities $(DEPENDENCIES)/bin/pip-audit

audit: $(READY) $(DEPENDENCIES)/.ready ## known vulnerabilities of what is shipped; fails where the index tells of none
	$(BIN)/python -m tools.vulnerabilities --strict $(DEPENDENCIES)/bin/pip-audit

sbom: $(DEPENDENCIES)/.ready ## what is shipped, as CycloneDX: .dependencies/gateway.cdx.json and cognito.cdx.json
	for layer in gateway cognito; do \
		env -u PYTHONPATH PYTHONWARNINGS=ignore $(DEPENDENCIES)/bin/cyclonedx-py requirements layers/$$layer/requirements.txt \
			--output-reproducible --mc-type application --pyproject pyproject.toml \
			--output-file $(DEPENDENCIES)/$$layer.cdx.json || exit 1; \
	done

format: $(READY) ## mend what the linter can, and format
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

generate: $(READY) ## write what repeats for each vendor, the served contract, the vendors' pages
	$(BIN)/python -m tools.generate
	$(BIN)/python -m tools.vendor_pages

bench: $(BENCH)/.ready $(READY) ## every benchmark against its target, into bench/README.md
bench-cold: $(BENCH)/.ready
bench bench-cold bench-cpu bench-cost bench-throughput bench-scale bench-campaign bench-express: $(READY)
	@exec $(BIN)/python -m bench $(patsubst bench-%,%,$(filter bench-%,$@))

# The gateway's layer comes first: what it has is not put into the from_cognito function's again.
SHARED = boto3 botocore jmespath python-dateutil s3transfer six urllib3
lock: $(READY) ## the newest versions into requirements*.txt, with hashes
	for set in layers/gateway/requirements layers/cognito/requirements requirements-dev tools/policies \
			tools/dependencies tools/pages bench/requirements bench/typical bench/plots; do \
		extra=; test $$set != layers/cognito/requirements || \
			extra="-c layers/gateway/requirements.txt $(SHARED:%=--no-emit-package %)"; \
		$(BIN)/uv pip compile --quiet --upgrade --universal --python-version 3.13 \
			--generate-hashes --no-emit-index-url --no-annotate --no-header $$extra \
			$$set.in -o $$set.txt; \
	done

clean: ## remove what was set up and built
	rm -rf $(VENV) $(BENCH) $(POLICIES) $(DEPENDENCIES) $(PAGES) .aws-sam .local \
		console/node_modules console/src/contract.ts console/src/contract.json functions/console/files

$(READY): requirements-dev.txt pyproject.toml
	@test -n "$(PYTHON)" || { echo "Python 3.13 is needed: install it as python3.13, or with pyenv (pyenv install 3.13)" >&2; exit 1; }
	@echo "setting up $(VENV) with $(PYTHON); the first time this takes about two minutes"
	@test -d $(VENV) || "$(PYTHON)" -m venv $(VENV)
	@$(BIN)/python -m tools.environment requirements-dev.txt
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

# checkov pins other versions of boto3 and a hundred packages more, what reads the layers' packages is not
# among them, and the AWS CLI that the guides call is large: they lie apart.
$(POLICIES)/.ready $(DEPENDENCIES)/.ready $(PAGES)/.ready: .%/.ready: tools/%.txt $(READY)
	@echo "setting up .$*"
	@rm -rf .$*
	@"$(PYTHON)" -m venv .$*
	@.$*/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r tools/$*.txt
	@touch $@

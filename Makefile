# Each target sets up what it needs. Python 3.10 or newer is all that must be there; `jaeger` needs Go,
# `test-deploy` Go, Java 17 and Maven.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
UV := $(BIN)/uv
JOBS ?= 2
# What is installed has the locked versions (`make lock` renews them), or with NEWEST=1, in an
# environment that is new, whatever the index has today. nox pins its environments itself.
LOCK := $(if $(NEWEST),--upgrade,--constraint constraints.txt)
# Packages come without bytecode, and many tests start an interpreter: compile once, and keep it.
export PYTHONDONTWRITEBYTECODE :=
# The dependency groups whose versions are locked; others are part of these.
LOCKED := dev workers frameworks release docs

.DEFAULT_GOAL := help
.PHONY: help demo test lint format bench bench-peers jaeger jaeger-run prometheus test-matrix dist clean chat zero-code chromium test-backends test-deploy test-beside test-frameworks test-viewers test-family test-workers test-readme test-pythons
.PHONY: lock audit hooks changelog release-check docs

# Runs a program that a user ends by Ctrl-C. Each process in the terminal gets that signal, and make
# would add a line of its own about the one that ended by it.
define until_interrupted
@trap : INT; $(1) || { code=$$?; test $$code = 130 || exit $$code; }
endef

# A line that starts with `##@` heads the targets below it: they are for those that it names.
# Nothing here needs a tool of GNU's or of Linux alone.
help: ## what there is
	@awk -F ':[^#]*## ' '/^##@ / { print "\n" substr($$0, 5) } /^[a-z-]+:.*##/ { printf "  %-16s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

# Whoever names a Python gets it: a .venv of another one is made anew. Unnamed, any .venv serves.
ifneq ($(origin PYTHON),file)
WHICH := -c 'import platform, sys; print(platform.python_implementation(), sys.version, getattr(sys, "abiflags", ""))'
ifneq ($(shell $(PYTHON) $(WHICH) 2>/dev/null),$(shell $(BIN)/python $(WHICH) 2>/dev/null))
ANEW := --clear
$(UV): made-by-another
endif
endif
.PHONY: made-by-another
made-by-another: ;

$(UV):
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10))' 2>/dev/null || { \
	  echo "this needs Python 3.10 or newer, and PYTHON=$(PYTHON) is: $$($(PYTHON) --version 2>&1 | head -n 1)" >&2; \
	  exit 1; }
	$(PYTHON) -m venv $(ANEW) $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check $(LOCK) uv

$(VENV)/demo: $(UV) pyproject.toml constraints.txt
	$(UV) pip install --quiet --python $(BIN)/python $(LOCK) --editable . --group demo
	@touch $@

$(VENV)/dev: $(UV) pyproject.toml constraints.txt
	$(UV) pip install --quiet --python $(BIN)/python $(LOCK) --editable . --group dev
	@touch $@ $(VENV)/demo $(VENV)/web

$(VENV)/web: $(UV) pyproject.toml constraints.txt
	$(UV) pip install --quiet --python $(BIN)/python $(LOCK) --editable . --group web
	@touch $@ $(VENV)/demo

$(VENV)/workers: $(VENV)/dev
	$(UV) pip install --quiet --python $(BIN)/python $(LOCK) --group workers
	@touch $@

$(VENV)/release: $(VENV)/dev
	$(UV) pip install --quiet --python $(BIN)/python $(LOCK) --group release
	@touch $@

$(VENV)/docs: $(VENV)/dev
	$(UV) pip install --quiet --python $(BIN)/python $(LOCK) --group docs
	@touch $@

$(VENV)/zero: $(UV) pyproject.toml constraints.txt
	$(UV) pip install --quiet --python $(BIN)/python $(LOCK) --editable . --group demo --group zero
	@touch $@ $(VENV)/demo

##@ For those who use it

demo: $(VENV)/demo ## conversations, streamed and drawn: no key, no network; REAL=1 asks Mistral, with your key
	$(call until_interrupted,$(BIN)/python -m examples.quickstart $(if $(REAL),--real))

chat: $(VENV)/web ## a chat in the browser, each answer a trace; ARGS='--port 8001'
	$(call until_interrupted,$(BIN)/python -m examples.fastapi_chat $(ARGS))

# Without an endpoint spans are printed; there is nothing that metrics and logs could be sent to.
zero-code: $(VENV)/zero ## opentelemetry-instrument python -m examples.zero_code.ask, spans on the console
	$(call until_interrupted,$(if $(OTEL_EXPORTER_OTLP_ENDPOINT),OTEL_EXPORTER_OTLP_PROTOCOL=http/protobuf,OTEL_TRACES_EXPORTER=console) \
	  OTEL_SERVICE_NAME=zero-code OTEL_METRICS_EXPORTER=none OTEL_LOGS_EXPORTER=none PATH="$(CURDIR)/$(BIN):$$PATH" \
	  opentelemetry-instrument python -m examples.zero_code.ask)

##@ For those who change it
test: $(VENV)/dev ## the tests, on the newest SDK and this machine's Python, three at a time
	$(BIN)/python -m pytest -n 3 --dist loadfile

lint: $(VENV)/dev ## format, lint, the rooms' doors, types
	$(BIN)/ruff format --check
	$(BIN)/ruff check
	$(BIN)/lint-imports
	$(BIN)/mypy
	$(BIN)/pyright

format: $(VENV)/dev ## put the format right
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

bench: $(VENV)/dev ## what it costs, side by side with the bare SDK and a hand-written floor
	@$(BIN)/python -m benchmarks $(ARGS)

# Never in CI: it takes 9 minutes and another project's packages, and a busy machine hides what is compared.
bench-peers: $(VENV)/dev ## ours and other instrumentations in one run: writes docs/peers.md and its charts
	@mkdir -p .nox
	PATH="$(CURDIR)/$(BIN):$$PATH" nox -s peers -- $(ARGS)

jaeger: ## a real Jaeger, built once into a cache outside the tree: 3 to 30 minutes, 1.3 GB
	$(call until_interrupted,tests/jaeger/build.sh)

jaeger-run: ## that Jaeger on its usual ports, until Ctrl-C
	$(call until_interrupted,tests/jaeger/run.sh)

prometheus: ## a real Prometheus out of Debian's packages, got once into a cache outside the tree
	@tests/prometheus/get.sh

chromium: ## a real browser for the tests, from Debian's packages
	@tests/web/chromium.sh

# Runs a nox session for each key of a dict of noxfile.py, or for those that are named; what fails shows
# its whole log.
define each_in_nox
@mkdir -p .nox
@{ test -n "$(3)" && printf '%s\n' $(3) || $(BIN)/python -c 'import noxfile; print(*noxfile.$(1), sep="\n")'; } \
  | PATH="$(CURDIR)/$(BIN):$$PATH" xargs -P $(JOBS) -I EACH sh -c \
    'nox -s "$(2)" > .nox/EACH.log 2>&1 && { echo "EACH:"; grep " passed" .nox/EACH.log; } || { cat .nox/EACH.log; exit 255; }'
endef

test-matrix: $(VENV)/dev ## the end-to-end tests on each line of the SDK, JOBS=2 at a time; SDKS="1.12.4 2.0.0" for some
	$(call each_in_nox,MATRIX,matrix(sdk='"'EACH'"'),$(SDKS))

test-beside: $(VENV)/dev ## the tests with another Mistral instrumentation in the process
	$(call each_in_nox,BESIDE,beside(other='"'EACH'"'))

test-frameworks: $(VENV)/dev ## the tests under real frameworks; FRAMEWORKS="pydantic-ai strands" for some
	$(call each_in_nox,FRAMEWORKS,frameworks(name='"'EACH'"'),$(FRAMEWORKS))

test-viewers: $(VENV)/dev ## real MLflow and Phoenix servers show the demo; VIEWERS="mlflow" for one
	$(call each_in_nox,VIEWERS,viewers(name='"'EACH'"'),$(VIEWERS))

test-family: $(VENV)/dev ## the shared variables mean what they mean in the official instrumentations
	@mkdir -p .nox
	PATH="$(CURDIR)/$(BIN):$$PATH" nox -s family

test-backends: $(VENV)/dev jaeger prometheus chromium ## what a real Jaeger, a real Prometheus and a real browser show of it
	$(BIN)/python -m pytest -n 2 --dist loadfile tests/jaeger tests/prometheus tests/web

test-deploy: $(VENV)/dev jaeger prometheus ## examples/deploy for real: Kafka, Cassandra, many Jaegers, kill -9
	@tests/deploy/jars/download.sh
	@tests/deploy/nginx.sh
	$(BIN)/python -m pytest tests/deploy

test-workers: $(VENV)/workers ## real processes: gunicorn, Celery, uWSGI, gevent, signals, forks, notebooks, archives, examples, receivers in trouble
	$(BIN)/python -m pytest -n 2 tests/workers tests/surroundings tests/zero_code tests/exporters tests/examples tests/doctor
	$(call each_in_nox,INTERPRETERS,interpreters(python='"'EACH'"'))
	$(call each_in_nox,TRIO,trio(sdk='"'EACH'"'))

# Never in CI: a debootstrap is slow, and Python 3.15's packages are young.
test-pythons: ## the tests on Pythons out of Debian sid; PYTHONS="3.14 3.15", or 3.14t if it is on the PATH
	@tests/pythons/run.sh $(PYTHONS)

test-readme: $(VENV)/dev ## README and docs from top to bottom, in an empty home with nothing installed
	$(BIN)/python -m pytest tests/readme

# Without the variable mkdocs-material says in colours what will become of mkdocs. Not --quiet: a
# warning that is not logged does not fail a strict build.
docs: $(VENV)/docs ## docs/ and the API as a site, in site/; a broken link fails
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict

hooks: $(VENV)/dev ## git runs what `make lint` runs before each commit (pre-commit)
	$(BIN)/pre-commit install

lock: $(UV) ## renew constraints.txt: the newest of everything that development needs
	$(UV) pip compile --quiet --universal --python-version 3.10 --upgrade --no-annotate \
	  --custom-compile-command 'make lock' pyproject.toml --extra instruments --extra util \
	  $(addprefix --group ,$(LOCKED)) --output-file constraints.txt

clean: ## everything that the targets made
	rm -rf $(VENV) .nox dist site .pytest_cache .mypy_cache .ruff_cache .hypothesis

##@ For those who release it
dist: $(UV) ## the wheel and the sdist
	$(UV) build --quiet --build-constraints constraints.txt

release-check: $(VENV)/release ## all of a release but the upload; TESTS=0 leaves out lint and tests
	@$(if $(filter 0,$(TESTS)),echo "lint and tests: not run (TESTS=0)",$(MAKE) --no-print-directory lint test)
	@$(BIN)/python -m tools.release

audit: $(VENV)/release ## known vulnerabilities of all that is locked; asks a service on the network
	$(BIN)/pip-audit --strict --progress-spinner off --no-deps --disable-pip --requirement constraints.txt

changelog: $(VENV)/dev ## put the fragments of .changelog/ into CHANGELOG.md, under today's version
	$(BIN)/towncrier build --yes --version "$$($(BIN)/python -m tools.release.tree)"

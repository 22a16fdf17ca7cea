# Everything starts here: `make demo`, `make test`, `make check`, `make bench`.
# Set-up is part of each target: a virtual environment in .venv, Debian packages where a program
# is missing, npm packages in a cache outside the tree.

PYTHON ?= $(shell command -v python3.11 || command -v python3)
BIN := .venv/bin
SPREAD := -n 2 --dist loadfile
SOURCES := pyproject.toml constraints.txt scripts/make-venv.sh

# Hundreds of tests start processes, which would otherwise compile every module again.
COMPILED := PYTHONDONTWRITEBYTECODE=

.PHONY: demo test test-apps check bench budget torture docs format clean help

help:
	@echo "make demo   run the examples on http://127.0.0.1:8080 (make demo PORT=…)"
	@echo "make test   run all tests; installs what they need"
	@echo "make test-apps  run every web framework on every path, with every event"
	@echo "make check  format, lint and types"
	@echo "make torture slow attacks, kill -9 and restarts under load, for minutes (JSON=FILE)"
	@echo "make budget count the gateway's instructions per request and per chunk"
	@echo "make bench  measure the data path beside other relays and AWS's runtimes (JSON=FILE PLOT=FILE.svg), then pages"

demo: .venv/.demo
	$(BIN)/tailrace dev --config examples/tailrace.toml $(if $(PORT),--listen 127.0.0.1:$(PORT))

test: .venv/.test
	sh scripts/install-tools.sh autoconf automake caddy chromium cmake curl firefox-esr g++ gcc haproxy ip \
		libtoolize make nginx node npm patchelf slowhttptest systemd-analyze unzip
	sh scripts/install-npm.sh
	$(BIN)/python scripts/install-rie.py
	sh scripts/install-sam.sh $(BIN)
	$(BIN)/python scripts/fetch-sources.py
	$(COMPILED) $(BIN)/python -m pytest -q $(SPREAD) $(ARGS)

# `make test` has all of these frameworks by callback, and two of them on every path.
test-apps: .venv/.test
	TAILRACE_TEST_APPS=all $(BIN)/python -m pytest -q $(SPREAD) tests/apps $(ARGS)

check: .venv/.test
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

format: .venv/.test
	$(BIN)/ruff check --fix-only .
	$(BIN)/ruff format .

# Tables of the reference that stand in the code: limits, errors, the exchange's states.
docs: .venv/.test
	$(BIN)/python docs/generate.py

# Slow attacks beside streams, kill -9 at random for two minutes, twenty restarts by SIGHUP and five
# under a holder of the socket beside 300 streams, kill -9 of workers, and ten deploys of new versions
# behind a balancer: about fifteen minutes.
torture: .venv/.test
	sh scripts/install-tools.sh slowhttptest
	$(BIN)/python -m tests.torture $(if $(JSON),--json $(JSON)) $(ARGS)

# Where the reference cannot be made, its column is left out.
bench: .venv/.test
	-$(MAKE) .venv/.reference
	sh scripts/install-tools.sh autoconf automake chromium cmake curl g++ gcc haproxy libtoolize make \
		nginx node npm
	sh scripts/install-npm.sh
	$(BIN)/python -m bench $(if $(JSON),--json $(JSON)) $(if $(PLOT),--plot $(PLOT)) $(ARGS)
	$(BIN)/python -m bench.pages

# Instructions of a request and of a chunk against the record: callgrind counts them, so it does not
# matter what else the machine does.
budget: .venv/.test .venv/.reference
	sh scripts/install-tools.sh valgrind
	$(BIN)/python -m bench.budget $(ARGS)

# Debian's Python is built with optimizations; figures of other builds cannot be compared.
.venv/.reference: $(SOURCES)
	sh scripts/install-tools.sh /usr/bin/python3.11
	sh scripts/make-venv.sh /usr/bin/python3.11 .venv/reference ".[gateway]"
	touch $@

.venv/.demo: $(SOURCES)
	sh scripts/make-venv.sh "$(PYTHON)" .venv ".[dev]"
	touch $@

.venv/.test: $(SOURCES)
	sh scripts/make-venv.sh "$(PYTHON)" .venv ".[all,deploy]" --group test --group check
	touch $@ .venv/.demo

clean:
	rm -rf .venv bench/build

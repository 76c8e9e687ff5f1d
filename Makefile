# PolyVM: the commands of the README. Everything is set up on first use.
#
#   make run     build, then run the demo tasks over the demo's events
#   make test    build, then run every test
#   make bench   build, then measure against the peers
#   make help    the rest

PYTHON ?= python3
JOBS   ?= $(shell nproc)
VENV   := .venv
BIN    := $(VENV)/bin
READY  := $(VENV)/ready
DEMO   := build/demo
# pgo, quick (no profile, for development) or small; see vm/cpython/README.md
VARIANT ?= pgo
# a CPython release tarball of one's own, where no source can be downloaded
TARBALL ?=
FUZZ_CASES ?= 200000
C_FILES = $(filter-out engine/include/%,$(wildcard vm/src/*.[ch] engine/*/*.[ch] engine/*/*/*.[ch]))
BUILD_FLAGS = --variant $(VARIANT) --jobs $(JOBS) $(if $(TARBALL),--tarball $(TARBALL))

.PHONY: run test bench build wheel lint format sanitize conformance fuzz chaos clean distclean help
.DEFAULT_GOAL := help

help:
	@sed -n 's/^\([a-z]*\):.*## */\1 /p' $(MAKEFILE_LIST) | \
	  while read -r target text; do printf '  make %-12s %s\n' "$$target" "$$text"; done

# One machine is publisher and host here, so one folder of keys does for both.
run: export POLYVM_KEYS := $(DEMO)/keys
run: export POLYVM_STATE := $(DEMO)/state
run: build ## run the demo, its tasks sealed, to its summary
	$(BIN)/python tasks/prepare_data.py $(DEMO)/events.jsonl
	$(BIN)/python tasks/prepare_inputs.py $(DEMO)/inputs.jsonl
	$(BIN)/python tasks/prepare_behaviour.py $(DEMO)/behaviour.jsonl
	$(BIN)/python tasks/prepare_models.py >$(DEMO)/ready
	$(BIN)/polyvm keygen publisher --if-missing --comment demo
	$(BIN)/polyvm keygen host --if-missing --comment demo
	$(BIN)/polyvm keys trust $(DEMO)/keys/publisher-*.pub
	rm -rf $(DEMO)/tasks $(DEMO)/views && mkdir -p $(DEMO)/tasks $(DEMO)/views
	$(BIN)/polyvm seal $$(grep -v ipv-encoding $(DEMO)/ready) -o $(DEMO)/tasks
	$(BIN)/polyvm seal tasks/ipv-encoding -o $(DEMO)/views
	$(BIN)/python tasks/show_views.py $(DEMO)/behaviour.jsonl --tasks $(DEMO)/views
	cat $(DEMO)/inputs.jsonl >>$(DEMO)/events.jsonl
	$(BIN)/polyvm run $(DEMO)/tasks --require-sealed \
	  --input $(DEMO)/events.jsonl --output $(DEMO)/results.jsonl

test: build ## every test, on all cores
	$(BIN)/python -m pytest -n $(JOBS) tests tasks

bench: build ## measure side by side with the peers; build/bench has the results
	$(BIN)/pip install --quiet --disable-pip-version-check -e '.[bench]'
	$(BIN)/python -m bench

build: $(READY) ## the private CPython (once per user), the libraries, the binding
	$(BIN)/python engine/build.py --jobs $(JOBS)
	$(BIN)/python vm/build.py $(BUILD_FLAGS)

wheel: build ## a self-contained binary wheel in dist/
	$(BIN)/python vm/wheel.py

lint: build ## ruff, mypy, clang-format
	$(BIN)/ruff check . && $(BIN)/ruff format --check .
	@$(BIN)/clang-format --dry-run --Werror $(C_FILES)
	mkdir -p build/types/polyvm && cd build/types/polyvm && ln -sfn ../../../host host && \
	  ln -sfn ../../../vm/binding vm && \
	  ln -sfn ../../../engine/bindings engine && ln -sfn ../../../engine/np np && ln -sf $(addprefix ../../../vm/api/,$(notdir $(wildcard vm/api/*.py*))) .
	$(BIN)/mypy -p polyvm

format: $(READY) ## apply ruff and clang-format
	$(BIN)/ruff check --fix . && $(BIN)/ruff format .
	$(BIN)/clang-format -i $(C_FILES)

sanitize: build ## the C runtime and the tensor engine under ASan, UBSan and TSan
	$(BIN)/python tests/vm/sanitize.py
	$(BIN)/python tests/engine/sanitize_programs.py
	$(BIN)/python tests/engine/sanitize.py --seconds 600

fuzz: build ## the loader and the bytecode verifier, for a few minutes
	$(BIN)/python -m tests.host.sealing.fuzz --cases $(FUZZ_CASES)
	$(BIN)/python tests/vm/sanitize.py verify_fuzz

chaos: build ## a supervised host with bad tasks, killed again and again, for ten minutes
	$(BIN)/python -m tests.chaos --minutes 10 --tasks 200 --write-docs

conformance: build ## CPython's own tests inside VMs; ONNX's tests of models
	$(BIN)/python -m tests.conformance --jobs $(JOBS)
	$(BIN)/python -m tests.onnx_backend --jobs $(JOBS)

clean: ## what was built here
	rm -rf build dist vm/binding/*.so vm/binding/lib

distclean: clean ## and the virtual environment; the cached CPython stays
	rm -rf $(VENV) *.egg-info

# The environment holds the project itself in editable form. Without ensurepip (Debian
# keeps it in python3-venv) virtualenv does as well.
$(READY): pyproject.toml
	@command -v gcc >/dev/null || { echo "error: gcc is missing: install gcc and libc6-dev" >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "error: Python 3.11 or newer is needed; name one with PYTHON=..." >&2; exit 1; }
	@$(PYTHON) -c 'import os, sys, sysconfig; sys.exit(not os.path.exists(sysconfig.get_path("include") + "/Python.h"))' || \
	  { echo "error: Python.h is missing: install python3-dev" >&2; exit 1; }
	@echo "setting up $(VENV)"
	@$(PYTHON) -m venv $(VENV) 2>/dev/null || $(PYTHON) -m virtualenv --quiet $(VENV) || \
	  { echo "error: no virtual environment could be made: install python3-venv" >&2; exit 1; }
	@$(BIN)/pip install --quiet --disable-pip-version-check -e '.[dev]'
	@touch $@

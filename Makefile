# Everything there is to do with a checkout. `make` alone lists the targets.
#
# ARGS passes arguments on:   make serve ARGS="--http 127.0.0.1:9000"
#                             make test ARGS="tests/rtmp -x"
# JOBS is how many tests run at once:   make test JOBS=1
# PYTHON names the Python that .venv is made with; without it, the first that is new enough.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.NOTPARALLEL:
.DELETE_ON_ERROR:

VENV ?= .venv
ARGS ?=
# Tests wait for peers and for time more than they compute: more at once than two cores are.
JOBS ?= 4
export PYTHON

BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet
CODE := src tests bench examples

PEERS := ffmpeg gstreamer1.0-tools gstreamer1.0-plugins-base gstreamer1.0-plugins-good \
	gstreamer1.0-plugins-bad gstreamer1.0-plugins-ugly gstreamer1.0-libav rtmpdump curl openssl \
	pebble chromium postgresql redis-server prometheus nginx libnginx-mod-rtmp libsrt1.5-gnutls srt-tools
RIVALS := nginx libnginx-mod-rtmp libnginx-mod-stream gcc libc6-dev libssl-dev chromium

# Layers without input and output, of which every branch is tested.
PURE := $(addsuffix /*,$(addprefix src/headend/,media rtmp hub outputs hls)) \
	$(addprefix src/headend/codec/,package.py packets.py tracks.py times.py pictures.py \
	flv_muxer.py decoding_times.py still.py)
# Watched alone: to watch all of the source takes a third of the time.
COVERED := $(addprefix --cov=headend.,media rtmp hub outputs hls codec)
IMPURE := src/headend/hls/streams.py,src/headend/hls/viewers.py
# Tests of what needs no peer, no database and no server: the pure layers, settings, the ground floor.
UNIT := $(addprefix tests/,media rtmp hub outputs codec hls settings \
	$(addprefix test_,$(addsuffix .py,decisions docs errors events files layers logs redaction settings webhooks)))
comma := ,
space := $(subst ,, )

.PHONY: help serve test unit check format bench fuzz docs man lock release libraries npm peers rivals

help: ## list the targets
	@sed -nE 's/^([a-z]+):.*## (.*)/  make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 16

serve: $(VENV)/.serve ## run the server; ARGS holds its flags
	@exec $(BIN)/headend serve $(ARGS)

test: peers check ## check, and run all tests or those in ARGS
ifeq ($(strip $(ARGS)),)
	$(BIN)/python -m pytest --numprocesses=$(JOBS) --dist=loadfile $(COVERED) --cov-report=
	$(BIN)/coverage report --include='$(subst $(space),$(comma),$(strip $(PURE)))' --omit='$(IMPURE)' --skip-covered --show-missing --fail-under=100
else
	$(BIN)/python -m pytest $(ARGS)
endif

unit: $(VENV)/.test ## run the tests that need no peer, in under a minute
	$(BIN)/python -m pytest --numprocesses=$(JOBS) --dist=loadfile -m 'not slow and not e2e' $(UNIT) $(ARGS)

check: $(VENV)/.test ## check style and types
	$(BIN)/ruff check $(CODE)
	$(BIN)/ruff format --check $(CODE)
	$(BIN)/mypy $(CODE)

format: $(VENV)/.test ## lay the code out
	$(BIN)/ruff check --fix $(CODE)
	$(BIN)/ruff format $(CODE)

bench: $(VENV)/.test rivals ## measure against others; ARGS="fanout --seconds 10"
	$(BIN)/python -m bench $(or $(ARGS),all)

fuzz: $(VENV)/.test ## try many more damaged inputs than the tests do
	$(BIN)/python -m pytest tests/fuzz --hypothesis-profile=fuzz --timeout=0 $(ARGS)

lock: $(VENV)/.test ## write requirements.lock anew, from pyproject.toml
	@.ci/lock $(BIN)/uv

release: $(VENV)/.test npm ## check and build what is published, into dist/; ARGS=--dry-run
	@$(BIN)/python .ci/release.py $(ARGS)

libraries: npm ## get hls.js and mpegts.js for the player page
	@.ci/libraries

docs: $(VENV)/.test ## build the documentation site into site/; any warning is an error
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet $(ARGS)
	@echo "make: the documentation is in site/index.html" >&2

man: $(VENV)/.serve ## write pages for man of every command to build/man/man1
	$(BIN)/headend man build/man/man1

# Whoever has npm from elsewhere keeps it.
npm:
	@command -v npm >/dev/null || .ci/packages nodejs npm || true

peers:
	@.ci/packages $(PEERS) || echo "make: tests with real peers can't all run" >&2

rivals:
	@.ci/packages $(RIVALS) || echo "make: not everything can be measured" >&2

# Stamps: with them a second run starts at once. The first makes the environment.
# Without npm they bring a server whose player page does less, and says so.
$(VENV)/.serve: pyproject.toml package-lock.json
	@[ -x $(BIN)/pip ] || .ci/venv $(VENV)
	@$(MAKE) --no-print-directory libraries || true
	@echo "make: installing headend into $(VENV)" >&2
	@$(PIP) install --editable .
	@touch $@

$(VENV)/.test: pyproject.toml package-lock.json $(VENV)/.serve
	@echo "make: installing what the tests need into $(VENV)" >&2
	@$(PIP) install --group dev
	@.ci/libraries --tests || true
	@touch $@

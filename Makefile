# make demo    build the environment, run the main job on a sample, print where its results are
# make test    build it with the development tools, check the style and the types, run every test
# make lint    style and types alone
# make fuzz    random damage with many more examples than `make test` takes, and 200 clients on the server for a minute
# make bench   time and memory beside tshark (captures: sudo .venv/bin/python benchmarks/make_captures.py)
#
# PYTHON=python3.12 chooses the interpreter of a new .venv; SAMPLE=samples/NAME chooses the demo's capture.

PYTHON ?= python3
SAMPLE ?= samples/ntlm_311_mixed_sessions
BIN := .venv/bin

# True when .venv holds this project and all that pyproject.toml asks for; `extras` names the optional groups.
COMPLETE = import re, sys, tomllib; from importlib.metadata import version; \
	project = tomllib.load(open("pyproject.toml", "rb"))["project"]; \
	groups = [project["dependencies"]] + [project["optional-dependencies"][name] for name in sys.argv[1:]]; \
	[version(re.match(r"[\w.-]+", line)[0]) for line in sum(groups, ["sessionscope"])]

define build
	@$(BIN)/python -c '$(COMPLETE)' $(1) 2>/dev/null || { \
		$(PYTHON) -c 'import sys; sys.version_info >= (3, 11) or sys.exit("sessionscope needs Python 3.11 or newer; set PYTHON=.")' && \
		{ $(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { \
			echo 'python3 cannot make virtual environments: run "apt-get install python3-venv".' >&2; exit 1; }; } && \
		echo 'Building .venv' && \
		{ test -x $(BIN)/python || $(PYTHON) -m venv .venv; } && \
		$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.$(if $(1),[$(1)])'; }
endef

.PHONY: demo test lint fuzz bench

demo:
	$(call build)
	@test -n "$(SAMPLE)" || { echo 'There is no capture in samples/.' >&2; exit 1; }
	@mkdir -p demo-output
	$(BIN)/sessionscope sessions $(SAMPLE).pcapng --keys $(SAMPLE).keys.toml
	$(BIN)/sessionscope exchanges $(SAMPLE).pcapng --keys $(SAMPLE).keys.toml --limit 20
	$(BIN)/sessionscope decrypt $(SAMPLE).pcapng --keys $(SAMPLE).keys.toml -o demo-output/plain.pcapng
	$(BIN)/sessionscope report $(SAMPLE).pcapng --keys $(SAMPLE).keys.toml -o demo-output/report.html
	@echo 'The decrypted capture, for Wireshark or any other reader: $(CURDIR)/demo-output/plain.pcapng'
	@echo 'The report, for a browser: $(CURDIR)/demo-output/report.html'

test: lint
	$(BIN)/python -m pytest

lint:
	$(call build,dev)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

fuzz:
	$(call build,dev)
	$(BIN)/python -m pytest -m fuzz --hypothesis-profile=fuzz

bench:
	$(call build,dev)
	$(BIN)/python benchmarks/run.py

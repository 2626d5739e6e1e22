# Two commands from a bare machine: `make demo` trains a net and shows what it learnt, `make test` runs the tests.
.PHONY: setup demo test test-all test-wheel test-instruction-sets lint format bench benchmark soak pictures shots capture reproductions reference site wheel clean
.DEFAULT_GOAL := setup

# The first of these that is here; constraints.txt has wheels for 3.11 to 3.14.
PYTHON ?= $(shell for p in python3.12 python3.13 python3.14 python3.11 python3; do \
	$$p -c 'import sys, venv; sys.exit(not (3, 11) <= sys.version_info[:2] < (3, 15))' 2>/dev/null && echo $$p && break; done)
BIN := .venv/bin
STAMP := .venv/.set-up
# Without what tests and tools need.
INSTALLED := .venv/.installed

setup: $(STAMP)

# What pyproject.toml names, into .venv: $(call install,.[dev])
define install
if command -v uv >/dev/null; then \
	uv pip install --quiet --python $(BIN)/python --constraints constraints.txt --editable '$(1)'; \
else \
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '$(1)'; \
fi
endef

# .venv with convtui in it: $(call environment,.[dev])
define environment
@test -n "$(PYTHON)" || { echo "convtui needs Python 3.11 to 3.14 with its venv module: install one, or run make PYTHON=..." >&2; exit 2; }
@echo "setting up .venv: torch is large, the first time takes minutes"
@if command -v uv >/dev/null; then uv venv --quiet --allow-existing --python $(PYTHON) .venv; else $(PYTHON) -m venv .venv; fi
@$(call install,$(1))
@touch $@
endef

$(STAMP): pyproject.toml constraints.txt
	$(call environment,.[dev])

$(INSTALLED): pyproject.toml constraints.txt
	$(call environment,.)

demo: $(if $(wildcard $(STAMP)),setup,$(INSTALLED))
	$(BIN)/convtui run --preset demo --name demo
	$(BIN)/convtui runs show demo
	$(BIN)/convtui look filters demo
	$(BIN)/convtui look deconvnet demo --opt maps=2
	@echo "next: '$(BIN)/convtui report demo --out report.html' for all of it as a page, '$(BIN)/convtui' for the application"

test: setup lint
	$(BIN)/pytest $(PYTEST_ARGS)

# Also what takes long, and what needs a quiet machine.
test-all: setup lint
	$(BIN)/pytest -m 'not apart' $(PYTEST_ARGS)
	$(BIN)/pytest -n 0 -m apart
	.ci/wheel

# The wheel and the sdist, installed into a clean environment of each Python that is here.
test-wheel: setup
	.ci/wheel

# What computes, as this processor rounds and as older ones do: torch, oneDNN and OpenBLAS take each their own word for it.
COMPUTING ?= tests/engine tests/tui/render
test-instruction-sets: setup
	$(BIN)/pytest $(COMPUTING) $(PYTEST_ARGS)
	ATEN_CPU_CAPABILITY=avx2 ONEDNN_MAX_CPU_ISA=AVX2 OPENBLAS_CORETYPE=Haswell $(BIN)/pytest $(COMPUTING) $(PYTEST_ARGS)
	ATEN_CPU_CAPABILITY=default ONEDNN_MAX_CPU_ISA=SSE41 OPENBLAS_CORETYPE=Nehalem $(BIN)/pytest $(COMPUTING) $(PYTEST_ARGS)

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --cache-dir .import_linter_cache

format: setup
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

STRONG = "strong loop" "strong user" "bare step" convtui "convtui again" "convtui, bfloat16"
bench: setup  # on a quiet machine: into docs/benchmarks.md and docs/benchmarks.json
	$(BIN)/python -m benchmarks.training --rounds 8 --write docs
	$(BIN)/python -m benchmarks.training --preset cs7015 --rounds 8 --steps 10 --arms $(STRONG) --write docs
	$(BIN)/python -m benchmarks.training --preset gru-128 --rounds 16 --steps 100 --arms $(STRONG) --write docs
	$(BIN)/python -m benchmarks.evaluating --rounds 8 --write docs
	$(BIN)/python -m benchmarks.steps --rounds 8 --write docs

benchmark: setup
	$(BIN)/python -m benchmarks.training
	$(BIN)/python -m benchmarks.growing
	$(BIN)/python -m benchmarks.one_image
	$(BIN)/python -m benchmarks.recording
	$(BIN)/python -m benchmarks.tracking
	$(BIN)/python -m benchmarks.startup
	$(BIN)/python -m benchmarks.lens
	$(BIN)/python -m benchmarks.application

# The fault harness: kills, full disks, locks, damage and fuzzing. An hour of it writes docs/promises.md; MINUTES=2 is for a try.
MINUTES ?= 60
soak: setup
	$(BIN)/python -m tests.soak $(if $(SECONDS),--seconds $(SECONDS),--minutes $(MINUTES)) $(SOAK_ARGS)

# The README's pictures and those of docs/views.md, from nothing.
pictures: setup
	rm -rf .pictures && mkdir -p .pictures assets/pictures
	$(BIN)/convtui run --preset lenet5-clear --data shapes --store .pictures/store.db --name lenet5-clear --quiet
	$(BIN)/convtui look deconvnet last --layer conv2 --opt maps=12 --store .pictures/store.db --out .pictures/deconvnet.png
	mv .pictures/deconvnet.png assets/pictures/
	$(BIN)/convtui study run demo --store .pictures/screens.db --quiet
	$(BIN)/convtui run --preset demo --store .pictures/screens.db --name demo --quiet
	$(BIN)/python -m docs.screens .pictures/screens.db assets/pictures
	$(BIN)/python -m docs.pictures .pictures/views

# The application in real terminals, every page, to be looked at; one is the README's. Needs xvfb xterm xdotool imagemagick tmux.
shots: pictures
	$(BIN)/python -m docs.shots .pictures/screens.db .pictures/shots
	cp .pictures/shots/sixel-120x36-look-deconvnet.png assets/pictures/screen-look-pixels.png

# The README's moving picture, of the application in a real terminal. Needs xvfb xterm xdotool, and a quiet machine.
capture: pictures
	$(BIN)/python -m docs.capture .pictures/screens.db assets/pictures/capture.webp

# The studies that have runs in a store: make reproductions STORE=store.db
STORE ?= store.db
reproductions: setup
	$(BIN)/python -m docs.reproductions $(STORE)

# docs/settings.md and docs/commands.md, from the program itself.
reference: setup
	$(BIN)/python -m docs.reference

# The documentation as pages that can be opened as files, or put on any server: site/index.html. Needs Python 3.11.5.
site: reference
	@$(BIN)/python -c 'import material' 2>/dev/null || { $(call install,.[docs]); }
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --quiet

wheel: setup
	$(BIN)/python -m hatchling build -d dist

clean:
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache

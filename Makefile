# Each target sets up what it needs in .venv; it takes Python 3.11 or newer, and make.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
comma := ,
PARALLEL := -n auto --dist loadfile --no-loadscope-reorder
INSTALL := $(BIN)/python -m pip --disable-pip-version-check --quiet install --editable

# Hundreds of processes of the tests would compile the same sources again; `make clean` removes what they write.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.NOTPARALLEL:
.PHONY: help run test golden check bench bounds fuzz wheel-test wheels docs serve setup clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-11s %s\n", $$1, $$2 }' Makefile

run: $(VENV)/.convert $(VENV)/.audio ## the examples: trained models, proven and streamed; host metrics, a guitar amplifier, speech in noise
	@$(BIN)/python examples/host_load/compare.py
	@$(BIN)/python examples/amplifier/amplify.py
	@$(BIN)/python examples/voice_activity/listen.py
	@$(BIN)/python examples/denoiser/denoise.py

test: $(VENV)/.test ## run the tests, on all cores; skipped ones are listed with the reason; EXHAUSTIVE=1 takes all cases, COVERAGE=1 lists the lines not run
	$(if $(EXHAUSTIVE),STREAMRNN_EXHAUSTIVE=1) $(BIN)/python -m pytest $(PARALLEL) $(if $(COVERAGE),--cov)

golden: $(VENV)/.test ## compare the golden bits at every vector width (make test does at one)
	STREAMRNN_GOLDEN=$(or $(STREAMRNN_GOLDEN),4$(comma)8$(comma)16$(comma)) STREAMRNN_EXHAUSTIVE=1 $(BIN)/python -m pytest $(PARALLEL) tests/golden

check: $(VENV)/.convert $(VENV)/.check ## lint, formatting, types, one-way imports
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: $(VENV)/.bench ## measure beside onnxruntime; ROUNDS=200 SIZES=1x8,64x64 KINDS=lstm STREAMS=4096 ALSO=tails,memory CALLS=… for more or less
	$(BIN)/python -m benchmarks $(if $(ROUNDS),--rounds=$(ROUNDS)) $(if $(SIZES),--sizes=$(SIZES)) $(if $(KINDS),--kinds=$(KINDS)) $(if $(CALLS),--calls=$(CALLS)) $(if $(STREAMS),--streams=$(STREAMS)) $(if $(ALSO),--also=$(ALSO))

fuzz: $(VENV)/.test ## import files gone wrong, and go on where the last time ended; N=100000 for more or fewer
	$(BIN)/python -m tests.fuzz $(N)

bounds: $(VENV)/.check ## use the package with the oldest packages that its bounds allow, and with the newest
	$(BIN)/python tests/bounds.py oldest
	$(BIN)/python tests/bounds.py newest

wheel-test: $(VENV)/.check ## build sdist and wheel, use the wheel from outside the source tree
	$(BIN)/python tests/wheel.py

wheels: $(VENV)/.check $(VENV)/.export ## build a wheel for each platform, with kernels compiled ahead, into dist; takes long the first time
	$(BIN)/python tools/wheels.py

docs: $(VENV)/.docs ## build the site into build/site; a warning, such as a dead link, is an error
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --strict

serve: $(VENV)/.docs ## show the site at http://127.0.0.1:8000 and build it again when a page changes
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs serve

setup: $(VENV)/.convert $(VENV)/.audio $(VENV)/.test $(VENV)/.cuda $(VENV)/.check ## set up everything that run, test and check need, CUDA's compiler too

clean: ## remove the environment and all that was built
	rm -rf $(VENV) build dist *.egg-info .*_cache .hypothesis .benchmarks
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# One stamp for each extra of pyproject.toml.
$(VENV)/.%: pyproject.toml $(VENV)/pyvenv.cfg
	@echo 'setting up $(VENV) for "$*" ...'
	@$(INSTALL) '.[$*]'
	@touch $@

$(VENV)/pyvenv.cfg:
	@$(PYTHON) -c 'import sys; sys.version_info >= (3, 11) or sys.exit("streamrnn needs Python 3.11 or newer, this is " + sys.version.split()[0] + "; name one: make PYTHON=python3.12")'
	$(PYTHON) -m venv $(VENV)

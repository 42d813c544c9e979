# The two commands: `make app` and `make test`. `make help` lists the rest.
#
# Every set of packages has a stamp file under .venv/.stamps, so a second start installs nothing.
# Works with GNU make 3.81, the one that macOS ships.

PYTHON ?= python3
VENV   ?= .venv
EXTRA  ?= test
PORT   ?=
ARGS   ?=
# Processes that run tests side by side; 0 runs them one after another, as a debugger needs it.
JOBS   ?= 2

BIN    := $(VENV)/bin
STAMPS := $(VENV)/.stamps
SETS   := core app notebooks tune export test dev

# What a set of packages contains besides its own: see the extras in pyproject.toml.
contains_app       := core
contains_notebooks := core
contains_tune      := core
contains_export    := core
contains_test      := core app notebooks tune export
contains_dev       := core app notebooks tune export test

# With PYTHONDONTWRITEBYTECODE every start would compile torch and Streamlit again.
unexport PYTHONDONTWRITEBYTECODE
# Waiting OpenMP threads sleep instead of spinning: several times faster on a busy machine.
OMP_WAIT_POLICY ?= PASSIVE
export OMP_WAIT_POLICY

.DEFAULT_GOAL := help
.NOTPARALLEL:
.DELETE_ON_ERROR:
.PHONY: help install app test lint format notebooks demo clean

help: ## show this list
	@echo "make TARGET [PYTHON=python3.12] [PORT=8600] [ARGS='...']"
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/  \1 \2/p' Makefile | awk '{printf "  %-10s ", $$1; $$1 = ""; print}'

install: $(STAMPS)/$(EXTRA) ## set up .venv with everything (EXTRA=core|app|notebooks|tune|export|test|dev)
	@echo "Ready: $(VENV) holds the $(EXTRA) packages. Next: make app, or make test."

app: $(STAMPS)/app ## open the app (PORT=, default 8501; ARGS= go to streamlit run)
	@# With ARGS=--server.fileWatcherType=auto an edit reloads the page; PYTHONPATH extends that to
	@# workbench/.
	PYTHONPATH="$(CURDIR)" $(BIN)/python -m streamlit run app/main.py \
	  --server.address=localhost $(if $(PORT),--server.port=$(PORT)) $(ARGS)

# In the order of their names notebooks come last, each a piece by itself: no process ends long before
# the other.
test: lint ## run every check and test (JOBS=2 at once; ARGS= go to pytest)
	$(BIN)/python -m pytest $(if $(filter-out 0,$(JOBS)),-n $(JOBS) --dist loadfile --no-loadscope-reorder) $(ARGS)

lint: $(STAMPS)/test ## ruff and mypy, nothing is changed
	$(BIN)/python -m ruff check .
	$(BIN)/python -m ruff format --check .
	$(BIN)/python -m mypy --strict workbench

format: $(STAMPS)/test ## let ruff sort the imports and lay out the code
	$(BIN)/python -m ruff check --fix .
	$(BIN)/python -m ruff format .

notebooks: $(STAMPS)/notebooks ## open JupyterLab (PORT=, default 8888; ARGS= go to jupyter lab)
	$(BIN)/python -m jupyterlab --ServerApp.ip=localhost --LabApp.default_url=/lab/tree/notebooks \
	  $(if $(PORT),--ServerApp.port=$(PORT)) $(ARGS)

demo: $(STAMPS)/core ## make the shipped demo runs again (ARGS= go to workbench.demo)
	$(BIN)/python -m workbench.demo $(ARGS)

clean: ## remove .venv, caches and build folders; runs and data stay
	rm -rf $(VENV) build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find workbench app tests notebooks \( -name __pycache__ -o -name .ipynb_checkpoints \) \
	  -prune -exec rm -rf {} +

# --- set-up -------------------------------------------------------------------------------------

# A link to a Python that is gone counts as missing, so a broken environment is made anew.
$(BIN)/python:
	@command -v $(PYTHON) >/dev/null || { \
	  echo "$(PYTHON) was not found. Name a Python 3.11 or newer: make install PYTHON=python3.12" >&2; \
	  exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "Python 3.11 or newer is needed, $(PYTHON) is" \
	    "$$($(PYTHON) -c 'import sys; print(sys.version.split()[0])')." \
	    "Name another: make install PYTHON=python3.12" >&2; \
	  exit 1; }
	@$(PYTHON) -m venv $(if $(wildcard $(VENV)/pyvenv.cfg),--clear) $(VENV) || { \
	  echo "$(PYTHON) could not make $(VENV). On Debian and Ubuntu: apt install python3-venv" >&2; \
	  exit 1; }
	@rm -rf $(STAMPS)

$(STAMPS)/uv: $(BIN)/python
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt uv \
	  || echo "uv cannot be installed here; plain pip does the work, more slowly." >&2
	@mkdir -p $(@D) && touch $@

# One setting of pip: from the environment, else as the system's Python sees it, else the venv's.
# Empty where nobody sets it. uv wants commas where pip has spaces or lines.
pip_setting = $$({ printenv $(2) || $(PYTHON) -m pip config get global.$(1) \
  || $(BIN)/python -m pip config get global.$(1); } 2>/dev/null | xargs | tr ' ' ',')

# uv does not read pip's settings, so the places that packages come from are handed on to it.
# Where uv fails all the same (a proxy or a mirror that only pip knows), pip has the last word.
$(addprefix $(STAMPS)/,$(SETS)): $(STAMPS)/uv pyproject.toml constraints.txt
	@echo "Installing the $(@F) packages into $(VENV) ..."
	@links="$${UV_FIND_LINKS:-$(call pip_setting,find-links,PIP_FIND_LINKS)}"; \
	index="$${UV_DEFAULT_INDEX:-$(call pip_setting,index-url,PIP_INDEX_URL)}"; \
	if [ -n "$$links" ]; then export UV_FIND_LINKS="$$links"; fi; \
	if [ -n "$$index" ]; then export UV_DEFAULT_INDEX="$$index"; fi; \
	set -- -c constraints.txt -e ".$(if $(filter core,$(@F)),,[$(@F)])"; \
	{ [ -x $(BIN)/uv ] && $(BIN)/uv pip install --python $(BIN)/python "$$@"; } \
	  || $(BIN)/python -m pip install --disable-pip-version-check "$$@"
	@touch $@ $(addprefix $(STAMPS)/,$(contains_$(@F)))

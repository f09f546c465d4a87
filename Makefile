# Two commands are enough: `make lab` opens the course, `make test` checks everything.
#
#   make lab         JupyterLab with notebooks/00_start_here.ipynb open
#   make test        every test; browser tests where Chromium is found
#   make lint        ruff and mypy
#   make test-unit       unit, property and live-kernel tests
#   make test-notebooks  nbval: every cell runs again and must show what is stored
#   make test-browser    the chapters, the site and the slides in headless Chromium
#   make notebooks   run the notebooks again and store what they show
#   make release     make exercises/ from solutions/
#   make fuzz        random programs on both kernels: make fuzz N=1000 [SEED=1] [ON=tmpfs]
#   make mutants     break the simulator on purpose: does the fuzzer notice? (some minutes)
#   make bench       measure the project's numbers, store them, and put them into README.md (some minutes)
#   make docs        the generated parts of docs/, README.md, and the instructor's notes in the notebooks
#   make site        the whole course as pages in site/, which open without a server or a network
#   make slides      slides for each chapter, in site/slides/
#   make wheels      all that an installation needs, as files in wheels/, for machines without a network
#   make freeze      write the versions that are in .venv to constraints.txt
#   make clean       remove .venv and everything that was made
#
# .venv/.lab, .venv/.docs and .venv/.test say what is installed; nothing is downloaded again while they are newer than
# pyproject.toml and constraints.txt. Set PYTHON=/path/to/python3 for another Python.

SHELL := /bin/sh
VENV := .venv
PY := $(VENV)/bin/python
PIP := $(PY) -m pip --disable-pip-version-check
TESTED := $(wildcard notebooks exercises solutions)
# Two workers, because the course is meant to be tested on two cores; one notebook stays on one worker.
PARALLEL := -n 2 --dist loadfile
PYTHONS := python3 python3.14 python3.13 python3.12 python3.11

# An environment whose Python is gone, or that was moved with the folder, is made again.
ifneq ($(shell cat $(VENV)/.here 2>/dev/null),$(shell test -x $(PY) && pwd))
$(shell rm -f $(VENV)/.here $(VENV)/.lab $(VENV)/.docs $(VENV)/.test)
endif

.PHONY: lab test test-unit test-notebooks test-browser lint fuzz mutants notebooks release bench \
  docs site slides wheels freeze clean
.NOTPARALLEL:

lab: $(VENV)/.lab
	@exec $(PY) -m mmaplab lab

test: lint test-unit test-notebooks test-browser

test-unit: $(VENV)/.test
	@echo "== unit, property and live-kernel tests"
	@$(PY) -m pytest tests --ignore=tests/browser $(PARALLEL)

test-notebooks: $(VENV)/.test
	@echo "== notebooks: $(TESTED)"
	@$(PY) -m pytest --nbval --nbval-current-env --nbval-cell-timeout=120 $(PARALLEL) $(TESTED)

test-browser: $(VENV)/.test
	@echo "== the chapters in JupyterLab, in a browser"
	@$(PY) -m pytest tests/browser

lint: $(VENV)/.test
	@echo "== ruff and mypy"
	@$(PY) -m ruff check .
	@$(PY) -m mypy

notebooks: $(VENV)/.test
	@$(PY) -m mmaplab.authoring execute $(wildcard notebooks/*.ipynb solutions/*.ipynb)

release: $(VENV)/.test
	@$(PY) -m mmaplab release

fuzz: $(VENV)/.test
	@$(PY) -m mmaplab fuzz --programs $(or $(N),200) $(if $(SEED),--seed $(SEED)) $(if $(ON),--file-system $(ON))

mutants: $(VENV)/.test
	@$(PY) tests/fuzz/mutants.py --store

bench: $(VENV)/.test
	@$(PY) -m mmaplab bench --record

wheels: $(VENV)/.here
	@$(PIP) install -q -c constraints.txt hatchling editables
	@$(PIP) wheel -q -c constraints.txt --no-build-isolation -w wheels '.[lab]'
	@echo "wheels/ holds all of it, for this system and this Python. On a machine without a network: make a venv, then"
	@echo "  pip install --no-index -f wheels 'mmaplab[lab]'"

docs: $(VENV)/.test
	@$(PY) -m mmaplab.publish docs

site: $(VENV)/.docs
	@$(PY) -m mmaplab.publish site site

slides: $(VENV)/.docs
	@$(PY) -m mmaplab.publish slides site/slides

freeze: $(VENV)/.test
	@$(PY) -m mmaplab.authoring freeze

clean:
	rm -rf $(VENV) .artifacts .hypothesis .mypy_cache .pytest_cache .ruff_cache build dist site wheels

$(VENV)/.here:
	@found=; \
	for python in $(PYTHON) $(if $(PYTHON),,$(PYTHONS)); do \
	  if $$python -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 14))' 2>/dev/null; \
	  then found=$$python; break; fi; \
	done; \
	if [ -z "$$found" ]; then \
	  have=`$(or $(PYTHON),python3) --version 2>&1` && case $$have in Python*) ;; *) false ;; esac \
	    && echo "mmaplab needs Python 3.11 to 3.14, and this machine has $$have: install a newer python3 (python.org has it), or say make PYTHON=/path/to/python3." >&2 \
	    || echo "mmaplab needs Python 3.11 to 3.14, and there is no $(or $(PYTHON),python3) here: install python3 and its venv module (Debian: apt install python3-venv; macOS: brew install python)." >&2; \
	  exit 1; \
	fi; \
	if ! $$found -c 'import ensurepip, venv' 2>/dev/null; then \
	  echo "$$found has no venv module: install it (Debian, Ubuntu: apt install python3-venv; Fedora has it in python3)." >&2; \
	  exit 1; \
	fi; \
	rm -f $(VENV)/.lab $(VENV)/.docs $(VENV)/.test; \
	$$found -m venv --clear $(VENV) && pwd > $@

# $(call install,EXTRAS): the build tool first, so that building the package itself asks no network.
define install
	@echo "Installing into $(VENV) (a minute or two; only the first time) ..."
	@{ $(PIP) install -q --retries 2 -c constraints.txt hatchling editables \
	  && $(PIP) install -q --retries 2 -c constraints.txt --no-build-isolation -e '.[$(1)]'; } > $(VENV)/install.log 2>&1 \
	|| { if grep -qE 'No matching distribution|NewConnectionError|ConnectTimeout|Connection (refused|reset|broken)|Read timed out|Network is unreachable|name resolution' $(VENV)/install.log; \
	  then echo "The packages could not be downloaded: connect this machine to the network (pip must reach its package index), then run make again." >&2; \
	  else tail -n 15 $(VENV)/install.log >&2; \
	    echo "The packages could not be installed; pip's own words are above, and in $(VENV)/install.log." >&2; fi; \
	  exit 1; }
	@$(PY) -c 'import matplotlib.font_manager' 2>/dev/null
endef

$(VENV)/.lab: pyproject.toml constraints.txt | $(VENV)/.here
	$(call install,lab)
	@touch $@

$(VENV)/.docs: pyproject.toml constraints.txt | $(VENV)/.here
	$(call install,lab$(comma)docs)
	@touch $(VENV)/.lab $@

$(VENV)/.test: pyproject.toml constraints.txt | $(VENV)/.here
	$(call install,lab$(comma)test)
	@touch $(VENV)/.lab $(VENV)/.docs $@

comma := ,

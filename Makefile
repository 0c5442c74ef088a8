# The two commands of the README are `make bench` and `make test`; both set up what they need first.
.PHONY: help setup bench pack selfcheck nightly test lint clean incus incus-down

PYTEST = .venv/bin/python -m pytest

help: ## show this help
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: ## install what is missing: system packages, .venv, base root filesystem
	@.ci/setup

bench: setup ## run the scenarios to start with, in namespaces, with the oracle agent
	@$(PYTEST) scenarios/ --scenarios starter --mode namespace --agent oracle \
	  --junitxml=.2501bench/junit.xml --html=.2501bench/report.html --self-contained-html

pack: setup ## run every shipped scenario that this machine can, with the oracle agent
	@$(PYTEST) scenarios/ --mode namespace --agent oracle -n 2 \
	  --junitxml=.2501bench/junit.xml --html=.2501bench/report.html --self-contained-html

selfcheck: setup ## let every shipped scenario prove itself, once
	@$(PYTEST) scenarios/ --mode namespace --selfcheck -n 2

nightly: ## the same ten times, in modes namespace and incus
	@.ci/nightly

lint: setup ## style and types
	@.venv/bin/ruff check .
	@.venv/bin/ruff format --check --quiet .
	@.venv/bin/mypy

test: lint ## style, types and the whole test suite
	@$(PYTEST)

incus: ## install, start and prepare an Incus for --mode incus, as root or with sudo; for a first try and for tests
	@.ci/incus up

incus-down: ## end that Incus and remove all of it, packages included
	@.ci/incus down

clean: ## remove what this project made, sandboxes and root filesystems included
	@if [ -x .venv/bin/2501bench ]; then .venv/bin/2501bench sandbox purge-vms --images; fi
	@if [ -e /var/lib/2501bench-incus/ours ]; then .ci/incus down; fi
	@rm -rf .venv .2501bench .pytest_cache .mypy_cache .ruff_cache .hypothesis dist build *.egg-info
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +

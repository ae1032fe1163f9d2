# What a contributor runs. `make help` lists it.
#
# `verify` reads and never writes; `fix` writes what `verify` would ask for.

CARGO ?= cargo
DATA_DIR ?= ./varve-data
CLUSTER_DATA_DIR ?= ./varve-cluster-data
PROFILE ?= release
NEXTEST_PROFILE ?= default
SEEDS ?= 20
MUTANT_SEEDS ?= 60
KILLS ?= 50
NEMESIS ?= kill,partition
DURATION ?= 3m
SECONDS ?= 600

FUZZERS := cluster-tests/fuzz/libfuzzer

.DEFAULT_GOAL := help
.PHONY: help run cluster build test verify fix lint fmt-check deny unit doc sim mutants kills jepsen fuzz fuzz-corpus tour bench bench-cluster

help: ## List the targets.
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  %-13s %s\n", $$1, $$2}'

run: build ## Build, start a node on loopback, and print what to try next.
	@./target/$(PROFILE)/varve server --data-dir $(DATA_DIR)

cluster: build ## Build, start three nodes on loopback, and print what to try next.
	@deploy/cluster.sh ./target/$(PROFILE)/varve $(CLUSTER_DATA_DIR)

build: ## Build the varve binary.
	$(CARGO) build --profile $(PROFILE) --locked -p varve-cli

test: verify unit doc ## Everything that CI runs.

verify: fmt-check lint deny ## Check format, lints and dependencies; writes nothing.

fix: ## Format, and apply what lints can fix by themselves.
	$(CARGO) fmt --all
	$(CARGO) clippy --workspace --all-targets --fix --allow-dirty --allow-staged

fmt-check:
	$(CARGO) fmt --all --check

lint:
	$(CARGO) clippy --workspace --all-targets --locked -- -D warnings

deny: ## Check licences and advisories (skipped where cargo-deny is not installed).
	@if $(CARGO) deny --version >/dev/null 2>&1; then \
		$(CARGO) fetch --locked && $(CARGO) deny --locked --offline check bans licenses sources; \
	else echo "deny: skipped, cargo-deny is not installed (cargo install cargo-deny --locked)"; fi

unit: ## Every test: units, properties, scenarios, simulation, real processes.
	@if $(CARGO) nextest --version >/dev/null 2>&1; then \
		$(CARGO) nextest run --workspace --locked --profile $(NEXTEST_PROFILE); \
	else $(CARGO) test --workspace --locked --lib --bins --tests; fi

doc: ## The examples in the documentation.
	$(CARGO) test --workspace --locked --doc

sim: ## Simulate nodes and clusters under faults with SEEDS seeds, or with SEED alone.
	$(if $(SEED),VARVE_SIM_SEED=$(SEED),VARVE_SIM_SEEDS=$(SEEDS)) $(CARGO) test --locked -p varve-cluster-tests --test it -- simulation --nocapture

mutants: ## Plant bugs on purpose; show which checkers catch each, in how many of MUTANT_SEEDS seeds.
	VARVE_MUTANT_SEEDS=$(MUTANT_SEEDS) $(if $(MUTANT),VARVE_MUTANT=$(MUTANT)) $(CARGO) test --locked -p varve-cluster-tests --test it -- planted_bugs --nocapture

kills: build ## Kill KILLS leaders of a cluster of real processes under load.
	VARVE_KILLS=$(KILLS) VARVE_BIN=$(CURDIR)/target/$(PROFILE)/varve $(CARGO) test --locked -p varve-cluster-tests --test it -- leaders_are_killed --nocapture

jepsen: build ## Attack five real nodes with NEMESIS for DURATION; SEED decides the rest (jepsen/README.md).
	$(CARGO) build --profile $(PROFILE) --locked -p varve-jepsen
	./target/$(PROFILE)/varve-jepsen run --nemesis $(NEMESIS) --duration $(DURATION) $(if $(SEED),--seed $(SEED)) --out target/jepsen/$(NEMESIS)-$(or $(SEED),$(shell date +%s))

# Without a sanitizer, libFuzzer needs no more than the pinned toolchain. What a run finds beside
# failures stays under target/, for the next run.
fuzz: ## Fuzz TARGET, or every target in turn, for SECONDS each (needs cargo-fuzz, and a C++ compiler).
	@$(CARGO) fuzz --version >/dev/null 2>&1 || { \
		echo "fuzz: cargo-fuzz is missing (cargo install cargo-fuzz --locked)"; exit 1; }
	@set -e; for target in $(or $(TARGET),$$($(CARGO) fuzz list --fuzz-dir $(FUZZERS))); do \
		mkdir -p target/fuzz/corpus/$$target target/fuzz/failures; \
		$(CARGO) fuzz run --fuzz-dir $(FUZZERS) --target-dir target/fuzz --sanitizer none $$target \
			$(CURDIR)/target/fuzz/corpus/$$target $(CURDIR)/cluster-tests/fuzz/corpus/$$target -- \
			-max_total_time=$(SECONDS) -max_len=4096 -timeout=10 -rss_limit_mb=2048 \
			-print_final_stats=1 -artifact_prefix=$(CURDIR)/target/fuzz/failures/$$target-; \
	done

fuzz-corpus: ## Write the inputs that fuzzers begin with, made of valid values.
	VARVE_WRITE_CORPUS=1 $(CARGO) test --locked -p varve-fuzz --test it -- write_the_seeds

tour: build ## The tour with real logs, kill -9 included (needs ../shared/data).
	VARVE_BIN=$(CURDIR)/target/$(PROFILE)/varve $(CARGO) test --locked -p varve-cluster-tests --test it -- tour --nocapture

bench: build ## Measure a real server; QUICK=1 for a minute's worth, BENCH=NAME for one part.
	$(CARGO) build --profile $(PROFILE) --locked -p varve-benches
	VARVE_BIN=$(CURDIR)/target/$(PROFILE)/varve ./target/$(PROFILE)/varve-bench

bench-cluster: ## Measure three nodes against one; QUICK=1 for less.
	$(MAKE) bench BENCH=cluster

# A few words over CMake's presets; `make help` lists them.
.PHONY: all demo test check check-fuzz check-asan check-tsan crash soak bench format install clean help
.DEFAULT_GOAL := all

# Sanitizers need the addresses that a randomised layout sometimes takes.
fixed_layout := $(shell setarch -R true 2>/dev/null && echo setarch -R)
define check_preset
cmake --preset $(1)
cmake --build --preset $(1)
$(fixed_layout) ctest --preset $(1) --output-junit junit.xml
endef

all: ## a release build; the program is build/orderwire
	@tools/setup.sh build
	@$(MAKE) --no-print-directory build/build.ninja
	cmake --build --preset release --target orderwire

build/build.ninja: CMakePresets.json
	cmake --preset release

demo: all ## build, then watch an order go its way on all channels
	build/orderwire demo

test: ## build, then all tests
	@tools/setup.sh test
	@$(MAKE) --no-print-directory build/build.ninja
	cmake --build --preset release
	ctest --preset release --output-junit junit.xml

check: check-fuzz check-asan check-tsan ## format, lint, fuzzers, all tests under sanitizers
check-fuzz check-asan check-tsan: check-%:
	@tools/setup.sh check
	$(call check_preset,$*)

ROUNDS ?= 300
crash: ## kill the server ROUNDS times under load, and everything else that can go wrong round it
	@tools/setup.sh test
	@$(MAKE) --no-print-directory build/build.ninja
	cmake --build --preset release --target orderwire disk_faults
	cd tests/e2e && ORDERWIRE_ROUNDS=$(ROUNDS) node --test --test-concurrency=1 --test-reporter=spec \
	    crash.test.mjs webhook_crash.test.mjs power.test.mjs trouble.test.mjs faults.test.mjs

MINUTES ?= 30
soak: ## MINUTES of mixed load: memory, descriptors, queues and latency stay as they are
	@tools/setup.sh test
	@$(MAKE) --no-print-directory build/build.ninja
	cmake --build --preset release --target orderwire
	cd tests/e2e && ORDERWIRE_MINUTES=$(MINUTES) node --test --test-reporter=spec load_soak.test.mjs

bench: ## measure against the machine's limits; PEERS=1 installs peers, BENCH='--only deliver' chooses
	@tools/setup.sh $(if $(PEERS),peers,bench)
	@$(MAKE) --no-print-directory build/build.ninja
	cmake --build --preset release --target orderwire bench_programs
	bench/bench.py $(BENCH)

format: ## put the C code into the house's shape
	tools/format.sh

PREFIX ?= /usr/local
PROGRAM ?= build/orderwire

install: ## put the program and its systemd unit under PREFIX, which is /usr/local; `make` first
	install -D -m 755 $(PROGRAM) $(DESTDIR)$(PREFIX)/bin/orderwire
	install -D -m 644 deploy/orderwire.service $(DESTDIR)$(PREFIX)/lib/systemd/system/orderwire.service
	sed -i 's|/usr/local/bin/|$(PREFIX)/bin/|' $(DESTDIR)$(PREFIX)/lib/systemd/system/orderwire.service

clean: ## remove what was built
	rm -rf build

help: ## this list
	@sed -n 's/^\([a-z]*\):.*## /    make \1\t/p' Makefile | expand -t 24

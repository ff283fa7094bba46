# SPDX-License-Identifier: GPL-2.0-only
# Included by the Makefile: all tests, and those on real Xen.
##@ xen

.PHONY: test test-dkms test-newest test-xen test-install test-matrix test-cycles test-debug
## test: all tests, those on real Xen included
test: deps packages-codegen packages-model packages-dkms
	+$(Q)tests/run.sh "$(SUBMAKE) check" "$(SUBMAKE) coverage" "$(SUBMAKE) model" \
		"$(SUBMAKE) fuzz FUZZ_SECONDS=20" "$(SUBMAKE) test-dkms" \
		"$(SUBMAKE) guard" "$(SUBMAKE) test-xen"

## test-xen: those on real Xen alone
test-xen: packages-run suites systemd-image $(ATTACK) $(HOST_TOOLS) $(BUILD)/bench/cagma-sim \
		$(KEXEC) $(PIN) $(GUEST_BIN)/collector-test $(BUILD)/bench/echo
	$(Q)$(MAKE) --no-print-directory $(COLLECTOR) $(REACTION) $(BUILD)/tests/kernel.tar
	$(Q)mkimage/images.sh guest
	$(Q)tests/run.sh tests/hooks.sh tests/runner.sh tests/xen/run.sh

## test-install: what install installs, under systemd
test-install: packages-run systemd-image
	$(Q)tests/run.sh "tests/xen/run.sh install"

## test-matrix: every kernel, Xen and kind of guest
test-matrix: packages-run suites $(BUILD)/bench/cagma-sim
	$(Q)tests/run.sh "tests/xen/run.sh matrix"

## test-debug: an attacking dom0, a domain's life: a debug kernel
# A dom0 that attacks, and what happens to domains, as the debug kernel sees it.
test-debug: packages-run debug-module $(ATTACK) $(KEXEC) $(BUILD)/bench/cagma-sim
	$(Q)$(MAKE) --no-print-directory $(BUILD)/tests/kernel.tar
	$(Q)mkimage/images.sh guest
	$(Q)KERNEL=debug tests/xen/run.sh lifecycle hostile

## test-cycles: loads of the module: CYCLES, KERNEL=debug or kasan
# 1000 loads and unloads. Those kernels look for leaks, locking errors, use after free.
CYCLES ?= 1000
test-cycles: packages-run images $(BUILD)/bench/cagma-sim $(FAILLOAD) \
		$(GUEST_BIN)/raise $(filter $(KERNEL)-module,$(DEBUG_MODULES))
	$(Q)install tests/xen/guest-cycles.sh $(BUILD)/guest/lib/cagma/
	$(Q)mkimage/images.sh guest
	$(Q)CYCLES=$(CYCLES) KERNEL=$(KERNEL) tests/xen/run.sh cycles

##@ tests
## test-dkms test-newest: the module by dkms; for Debian's newest kernel
# dkms itself, on the headers of the images' kernel.
test-dkms: packages-dkms module
	$(Q)tests/run.sh tests/dkms.sh

# Not part of `make test`: what is the newest changes.
test-newest:
	$(Q)tests/run.sh tests/newest.sh

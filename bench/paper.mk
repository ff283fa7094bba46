# SPDX-License-Identifier: GPL-2.0-only
# Included by the Makefile.
# The experiment of the CAGMA paper, and what results are compared with.
##@ bench

COLLECTOR := $(BUILD)/guest/lib/cagma/collector.ko
$(COLLECTOR): bench/collector/collector.c bench/collector/ring.h \
		bench/collector/Kbuild $(BUILD)/version $(BUILD)/images/versions
	$(call kmodule,bench/collector)

$(GUEST_BIN)/collector-test: $(BUILD)/obj/tests/collector/collector-test.o
	$(call link,-static)

SEEDS ?= 1
PAPER_PROGRAMS := $(GUEST_BIN)/collect $(SERVICE_PROGRAMS)
## bench-paper: the CAGMA paper's experiment (SEEDS, FRESH, SET)
# Six policies, SEEDS times.
# FRESH=1 keeps no earlier run; SET="KEY=VALUE..." changes the setting for a smaller
# one, whose results go to build/bench/smaller/.
bench-paper: packages-demo images $(PAPER_PROGRAMS)
	$(Q)$(MAKE) --no-print-directory $(COLLECTOR)
	$(Q)mkimage/images.sh guest
	$(Q)$(PYTHON) bench/paper.py --seeds $(SEEDS) $(if $(FRESH),--fresh) \
		$(if $(SET),--out $(BUILD)/bench/smaller) $(SET:%=--set %)

# The same with what users run, from Debian: a key-value store, and sort.
$(GUEST_BIN)/memcached: bench/services.sh $(BUILD)/images/versions
	@echo "  FETCH   $@"
	$(Q)bench/services.sh $(BUILD)/guest
	$(Q)touch $@

## bench-services: the same for a key-value store and sort
bench-services: packages-demo images $(PAPER_PROGRAMS)
	$(Q)$(MAKE) --no-print-directory $(COLLECTOR) $(GUEST_BIN)/memcached
	$(Q)mkimage/images.sh guest
	$(Q)$(PYTHON) bench/paper.py --conf bench/services.conf \
		--out $(BUILD)/bench/services --seeds $(SEEDS) $(if $(FRESH),--fresh)

# Two results of a benchmark: OLD and NEW are files paper.json or latency.json.
## bench-compare: what changed from a result OLD to another, NEW
bench-compare:
	$(Q)$(PYTHON) bench/compare.py "$(OLD)" "$(NEW)"

# The daemon, slower by a known time: the guard has to see it.
SLOW := -Wl,--wrap=cagma_pass_emergency
$(BUILD)/obj/tests/slow.o: DOM0_CFLAGS += -Idom0
$(BUILD)/tests/cagmad-slow: $(CORE_OBJS) $(BUILD)/obj/dom0/xen.o $(BUILD)/obj/dom0/main.o \
		$(BUILD)/obj/tests/slow.o
	$(call link,-pthread $(SLOW) $(XEN_LIBS) $(CORE_LIBS))

##@ xen
## guard: whether something became slower (a part of test)
guard: packages-run images $(BUILD)/bench/scale $(BUILD)/bench/echo $(BUILD)/tests/cagmad-slow
	$(Q)$(MAKE) --no-print-directory $(REACTION)
	$(Q)mkimage/images.sh guest
	$(Q)$(PYTHON) bench/guard.py

.PHONY: bench-paper bench-services bench-compare guard

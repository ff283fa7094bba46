# SPDX-License-Identifier: GPL-2.0-only
# Included by the Makefile.
# make bench-paper  the experiment of the CAGMA paper: six policies, SEEDS times;
#                 FRESH=1 keeps no earlier run; SET="KEY=VALUE..." changes the setting
#                 for a smaller one, whose results go to build/bench/smaller/
# make bench-services  the same for a key-value store and sort
# make bench-compare  what changed from the result OLD to the result NEW
# make guard      whether something became clearly slower, by ratios (part of make test)

$(BUILD)/guest/usr/bin/collect: $(BUILD)/obj/bench/collect.o $(BUILD)/obj/bench/task.o
	@mkdir -p $(@D)
	@echo "  LINK    $@"
	$(Q)$(CC) $(CFLAGS) -static -o $@ $^

COLLECTOR := $(BUILD)/guest/lib/cagma/collector.ko
$(COLLECTOR): bench/collector/collector.c bench/collector/ring.h \
		bench/collector/Kbuild $(BUILD)/images/versions
	@mkdir -p $(@D) $(BUILD)/module-collector
	@echo "  MODULE  $@"
	$(Q)cp -u bench/collector/* $(BUILD)/module-collector/
	$(Q). $(BUILD)/images/versions && $(MAKE) -s -C "$$KDIR" \
		M=$(CURDIR)/$(BUILD)/module-collector modules
	$(Q)cp $(BUILD)/module-collector/collector.ko $@

$(BUILD)/guest/usr/bin/collector-test: $(BUILD)/obj/tests/collector/collector-test.o
	@mkdir -p $(@D)
	@echo "  LINK    $@"
	$(Q)$(CC) $(CFLAGS) -static -o $@ $^

SEEDS ?= 1
PAPER_PROGRAMS := $(BUILD)/guest/usr/bin/collect $(SERVICE_PROGRAMS)
bench-paper: packages-demo images $(PAPER_PROGRAMS)
	$(Q)$(MAKE) --no-print-directory $(COLLECTOR)
	$(Q)mkimage/images.sh guest
	$(Q)$(PYTHON) bench/paper.py --seeds $(SEEDS) $(if $(FRESH),--fresh) \
		$(if $(SET),--out $(BUILD)/bench/smaller) $(SET:%=--set %)

# The same with what users run, from Debian: a key-value store, and sort.
$(BUILD)/guest/usr/bin/memcached: bench/services.sh $(BUILD)/images/versions
	@echo "  FETCH   $@"
	$(Q)bench/services.sh $(BUILD)/guest
	$(Q)touch $@

bench-services: packages-demo images $(PAPER_PROGRAMS)
	$(Q)$(MAKE) --no-print-directory $(COLLECTOR) $(BUILD)/guest/usr/bin/memcached
	$(Q)mkimage/images.sh guest
	$(Q)$(PYTHON) bench/paper.py --conf bench/services.conf \
		--out $(BUILD)/bench/services --seeds $(SEEDS) $(if $(FRESH),--fresh)

# Two results of a benchmark: OLD and NEW are files paper.json or latency.json.
bench-compare:
	$(Q)$(PYTHON) bench/compare.py "$(OLD)" "$(NEW)"

# The daemon, slower by a known time: the guard has to see it.
$(BUILD)/obj/tests/slow.o: DOM0_CFLAGS += -Idom0
$(BUILD)/tests/cagmad-slow: $(CORE_OBJS) $(BUILD)/obj/dom0/xen.o $(BUILD)/obj/dom0/main.o \
		$(BUILD)/obj/tests/slow.o
	@mkdir -p $(@D)
	@echo "  LINK    $@"
	$(Q)$(CC) $(CFLAGS) -pthread -Wl,--wrap=cagma_pass_emergency -o $@ $^ $(XEN_LIBS) \
		$(CORE_LIBS)

guard: packages-run images $(BUILD)/bench/scale $(BUILD)/bench/echo $(BUILD)/tests/cagmad-slow
	$(Q)$(MAKE) --no-print-directory $(REACTION)
	$(Q)mkimage/images.sh guest
	$(Q)$(PYTHON) bench/guard.py

.PHONY: bench-paper bench-services bench-compare guard

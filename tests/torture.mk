# SPDX-License-Identifier: GPL-2.0-only
# Included by the Makefile.

# Four tests read, two kick: 1e8 reads and 1e7 kicks in all.
SOAK_READS ?= 25000000
SOAK_KICKS ?= 5000000

TORTURE_CFLAGS = $(filter-out -MMD -MP,$(BASE)) $(DOM0_CFLAGS) -g \
	-Idom0 -Itests/fake -Itests/unit
# gcc says that ThreadSanitizer doesn't see fences. It needn't: what they order
# here are atomic accesses, and each of these it does see.
TSAN_CFLAGS := -O1 -fsanitize=thread -Wno-tsan

# The torture under ThreadSanitizer, and its twin with plain loads.
TSAN := $(CHECK)/tsan_torture $(CHECK)/racy_torture
$(CHECK)/racy_torture: TSAN_CFLAGS += -DMUTANT_PLAIN
$(TSAN): $(CHECK)/test_torture
	@echo "  CC      $@"
	$(Q)$(CC) $(TORTURE_CFLAGS) $(TSAN_CFLAGS) -o $@ \
		tests/unit/test_torture.c -lcmocka

$(BUILD)/soak/torture: $(CHECK)/test_torture
	@mkdir -p $(@D)
	@echo "  CC      $@"
	$(Q)$(CC) $(TORTURE_CFLAGS) -O2 -o $@ tests/unit/test_torture.c -lcmocka

.PHONY: soak
## soak: two sides of one page, random hosts: for long
# test_torture.c with SOAK_READS and SOAK_KICKS per test; SOAK_HOSTS random hosts.
soak: $(BUILD)/soak/torture $(BUILD)/bench/cagma-sim
	$(Q)UNIT_SECONDS=36000 CAGMA_TORTURE_READS=$(SOAK_READS) \
		CAGMA_TORTURE_KICKS=$(SOAK_KICKS) tests/run.sh \
		"tests/unit/run.sh $<" \
		"$(MAKE) --no-print-directory soak-sim"

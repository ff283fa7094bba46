# SPDX-License-Identifier: GPL-2.0-only
# Included by the Makefile.
# A new target is a file tests/fuzz/fuzz_NAME.c, as fuzz.h says, and its seeds
# in tests/fuzz/corpus/NAME/; nothing has to be listed here.

FUZZ_SECONDS ?= 60
FUZZ_CPU_SECONDS ?= 3600

FUZZ := $(BUILD)/fuzz
AFL := $(BUILD)/fuzz-afl
# What is not initialised has a value that is no good.
FUZZ_CFLAGS := -O1 -g -fno-omit-frame-pointer -fno-sanitize-recover=all \
	-ftrivial-auto-var-init=pattern -Idom0 -Itests/fuzz -Itests/unit
FUZZ_NAMES := $(patsubst tests/fuzz/fuzz_%.c,%,$(wildcard tests/fuzz/fuzz_*.c))
# For a target that brings no port of its own.
FUZZ_PORT := fake_xen fake_guest fake_agent fake_programs
FUZZ_RUN = tests/fuzz/run.py

# The compiler of each tree, and how it links an entry point to a main().
$(FUZZ)/%: FUZZ_CC = clang -fsanitize=fuzzer-no-link,address,undefined
$(FUZZ)/%: FUZZ_LINK = clang -fsanitize=fuzzer,address,undefined
$(AFL)/%: FUZZ_CC = AFL_QUIET=1 AFL_USE_ASAN=1 AFL_USE_UBSAN=1 afl-clang-fast
$(AFL)/%: FUZZ_LINK = $(FUZZ_CC) -fsanitize=fuzzer

define FUZZ_RULES
$(1)/%.o: %.c | $(2)
	@mkdir -p $$(@D)
	@echo "  CC      $$< ($$(notdir $(1)))"
	$$(Q)$$(FUZZ_CC) $$(BASE) $$(DOM0_CFLAGS) $$(FUZZ_CFLAGS) -c -o $$@ $$<

$(1)/core.a: $(CORE:%=$(1)/dom0/%.o) $(FUZZ_PORT:%=$(1)/tests/fake/%.o)
	$$(archive)

$(FUZZ_NAMES:%=$(1)/fuzz_%): $(1)/fuzz_%: $(1)/tests/fuzz/fuzz_%.o $(1)/core.a
	$$(Q)$$(FUZZ_LINK) -pthread -o $$@ $$^ \
		$$(CORE_LIBS)

.PRECIOUS: $(1)/%.o
-include $$(wildcard $(1)/*/*.d $(1)/*/*/*.d)
endef
$(eval $(call FUZZ_RULES,$(FUZZ),packages-fuzz))
$(eval $(call FUZZ_RULES,$(AFL),packages-afl))

.PHONY: fuzz-build fuzz fuzz-long fuzz-afl
fuzz-build: $(FUZZ_NAMES:%=$(FUZZ)/fuzz_%)

## fuzz fuzz-long fuzz-afl: every entry point; for hours; under AFL++
# FUZZ_SECONDS each under libFuzzer, side by side; until each has had FUZZ_CPU_SECONDS of processor; and
# the same entry points under AFL++.
fuzz: fuzz-build
	$(Q)$(FUZZ_RUN) --seconds $(FUZZ_SECONDS) $(FUZZ_NAMES)

fuzz-long: fuzz-build
	$(Q)$(FUZZ_RUN) --cpu-seconds $(FUZZ_CPU_SECONDS) $(FUZZ_NAMES)

fuzz-afl: $(FUZZ_NAMES:%=$(AFL)/fuzz_%)
	$(Q)$(FUZZ_RUN) --afl --seconds $(FUZZ_SECONDS) $(FUZZ_NAMES)

# Guests' numbers go in here: sums and products must not wrap either.
$(FUZZ)/dom0/policy.o $(FUZZ)/dom0/track.o: FUZZ_CFLAGS += \
	-fsanitize=unsigned-integer-overflow

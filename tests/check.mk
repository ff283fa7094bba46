# SPDX-License-Identifier: GPL-2.0-only
# Included by the Makefile.
#
# The daemon's own sources on a fake Xen, under sanitizers. A mutant is a test
# on a protocol with a known defect, which the test has to find.
##@ tests

CHECK := $(BUILD)/check
CHECK_CFLAGS := -O1 -g -fsanitize=address,undefined -fno-sanitize-recover=all \
	-Idom0 -Itests/fake -Itests/unit
CHECK_LDFLAGS := -Wl,--wrap=timerfd_create,--wrap=timerfd_settime,--wrap=poll \
	-Wl,--wrap=malloc,--wrap=calloc,--wrap=realloc,--wrap=strdup \
	-Wl,--wrap=cds_wfcq_enqueue
CHECK_OBJS := $(patsubst %,$(CHECK)/dom0/%.o,$(filter-out clock log,$(CORE))) \
	$(patsubst %.c,$(CHECK)/%.o,$(wildcard tests/fake/*.c))
UNIT_TESTS := $(patsubst tests/unit/%.c,$(CHECK)/%,$(wildcard tests/unit/test_*.c))
MUTANTS := $(addprefix $(CHECK)/mutant_,torture.NO_RECHECK torture.NO_ODD \
	torture.EARLY_LOOK torture.EARLY_KICK \
	explore.NO_WMB explore.NO_RELEASE explore.NO_MB explore.NO_RMB \
	explore.NO_ACQUIRE ring.LATE_COPY ring.NO_SWAP)

$(CHECK)/%.o: %.c | ready-check
	@mkdir -p $(@D)
	@echo "  CC      $< (check)"
	$(Q)$(CC) $(BASE) $(DOM0_CFLAGS) $(CHECK_CFLAGS) -c -o $@ $<

$(CHECK)/unit.a: $(CHECK_OBJS)
	$(archive)

# The agent's, with the devices and the kernel's files that it finds in a test.
AGENT_CHECK_OBJS := $(AGENT:%=$(CHECK)/domU/%.o) \
	$(patsubst %.c,$(CHECK)/%.o,$(wildcard tests/fake/domU/*.c))

$(AGENT_CHECK_OBJS): DOM0_CFLAGS += -Itests/fake/domU

$(CHECK)/agent.a: $(AGENT_CHECK_OBJS)
	$(archive)

UNIT_LIBS = -Wl,--as-needed -lcmocka -lxenvchan $(CORE_LIBS)

$(UNIT_TESTS): $(CHECK)/%: $(CHECK)/tests/unit/%.o $(CHECK)/agent.a $(CHECK)/unit.a
	$(call link-check,$(CHECK_LDFLAGS) $(UNIT_LIBS))

# mutant_X.Y is test_X.c with MUTANT_Y.
$(MUTANTS): $(CHECK)/mutant_%: $(UNIT_TESTS)
	$(Q)$(CC) $(filter-out -MMD -MP,$(BASE)) $(DOM0_CFLAGS) $(CHECK_CFLAGS) \
		-DMUTANT$(subst .,_,$(suffix $*)) -o $@ \
		tests/unit/test_$(basename $*).c -lcmocka

include tests/torture.mk tests/sim.mk

.PHONY: check check-busy check-unit lint model
## check: all that needs no Xen, no root and no network
check: all sim
	$(Q)tests/run.sh "$(MAKE) --no-print-directory check-unit" \
		"$(MAKE) --no-print-directory check-sim" tests/cli.sh tests/build.sh tests/test_layers.py \
		tests/test_report.py tests/test_paper.py tests/test_latency.py tests/codegen/test_codegen.py

## check-busy: check, TIMES times (30), on a busy machine
# A test may need time, but no luck.
TIMES ?= 30
check-busy: all sim $(UNIT_TESTS) $(MUTANTS) $(TSAN)
	$(Q)tests/busy.sh $(TIMES) "$(MAKE) --no-print-directory check"

## check-unit check-sim: unit tests; scenarios and SIM_RANDOM hosts
check-unit: $(UNIT_TESTS) $(MUTANTS) $(TSAN)
	$(Q)tests/unit/run.sh $^

## lint model: static analysis; the protocols in Spin, with mutants
lint: packages-lint base all
	$(Q)tests/lint.sh

model: packages-model
	$(Q)tests/model/run.sh

-include $(wildcard $(CHECK)/*/*.d $(CHECK)/*/*/*.d)

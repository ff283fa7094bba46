# SPDX-License-Identifier: GPL-2.0-only
# Included by the Makefile.

COVERAGE := $(BUILD)/coverage
COVERAGE_CFLAGS := -O0 -g -fprofile-instr-generate -fcoverage-mapping \
	-Idom0 -Itests/fake -Itests/unit
COVERAGE_OBJS := $(CHECK_OBJS:$(CHECK)/%=$(COVERAGE)/%)
COVERAGE_TESTS := $(UNIT_TESTS:$(CHECK)/%=$(COVERAGE)/%)

$(COVERAGE)/%.o: %.c | packages-fuzz
	@mkdir -p $(@D)
	@echo "  CC      $< (coverage)"
	$(Q)clang $(BASE) -U_FORTIFY_SOURCE $(DOM0_CFLAGS) $(COVERAGE_CFLAGS) \
		-c -o $@ $<

$(COVERAGE)/unit.a: $(COVERAGE_OBJS)
	$(archive)

# The profile runtime calls malloc too, and it is linked after the archive: so
# the wrapper is taken from the archive whether or not the test calls it.
$(COVERAGE)/agent.a: $(AGENT_CHECK_OBJS:$(CHECK)/%=$(COVERAGE)/%)
	$(archive)

$(COVERAGE_TESTS): $(COVERAGE)/%: $(COVERAGE)/tests/unit/%.o $(COVERAGE)/agent.a \
		$(COVERAGE)/unit.a
	$(Q)clang $(COVERAGE_CFLAGS) $(CHECK_LDFLAGS) \
		-Wl,--undefined=__wrap_malloc -pthread -o $@ $^ $(UNIT_LIBS)

-include $(wildcard $(COVERAGE)/*/*.d $(COVERAGE)/*/*/*.d)
.PRECIOUS: $(COVERAGE)/%.o

.PHONY: coverage
## coverage: what the unit tests reach: all of the reader
coverage: $(COVERAGE_TESTS)
	$(Q)tests/unit/coverage.sh $^

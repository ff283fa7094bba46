# SPDX-License-Identifier: GPL-2.0-only
# Included by the Makefile.
# make sim        cagma-sim, the simulator
# make soak-sim   SOAK_HOSTS random ones, a million, and as many liars: two hours of processor
# make bench-policy what the policy's constants are good for (HOSTS, ONLY=NAME,...)
# make bench-resident what cagmad's memory grows by, with 1,024 and 4,095 guests
# make bench-storms what emergencies cost the loop: of all guests at once, and for ever
# make check-sim  every scenario of tests/scenarios, SIM_RANDOM random ones and
#                 SIM_LIARS liars; what is decided in them is recorded and decided again

SIM := $(BUILD)/sim
comma := ,
SIM_RANDOM ?= 10000
SIM_LIARS ?= 10000
SOAK_HOSTS ?= 1000000
SIM_CFLAGS := -Idom0 -Itests/fake
# A host of one thread needs no kernel to hear of its own events (bench/sim/events.c).
SIM_LDFLAGS := $(CHECK_LDFLAGS) $(patsubst %,-Wl$(comma)--wrap=%,\
	eventfd read __read_chk write close epoll_ctl epoll_wait)
SIM_OBJS := $(patsubst $(CHECK)/%,$(SIM)/%,$(CHECK_OBJS)) \
	$(patsubst %.c,$(SIM)/%.o,$(wildcard bench/sim/*.c))
SIM_SAN_OBJS := $(CHECK_OBJS) \
	$(patsubst %.c,$(CHECK)/%.o,$(wildcard bench/sim/*.c))

$(SIM)/%.o: %.c | ready
	@mkdir -p $(@D)
	@echo "  CC      $< (sim)"
	$(Q)$(CC) $(BASE) $(DOM0_CFLAGS) $(SIM_CFLAGS) $(CFLAGS) -c -o $@ $<

$(BUILD)/bench/cagma-sim: $(SIM_OBJS)
	@mkdir -p $(@D)
	@echo "  LINK    $@"
	$(Q)$(CC) $(CFLAGS) $(SIM_LDFLAGS) -pthread -o $@ $^ \
		$(CORE_LIBS)

$(BUILD)/bench/scale: $(SIM)/bench/scale.o $(filter-out $(SIM)/bench/%,$(SIM_OBJS))
	@mkdir -p $(@D)
	@echo "  LINK    $@"
	$(Q)$(CC) $(CFLAGS) $(CHECK_LDFLAGS) -pthread -o $@ $^ \
		$(CORE_LIBS) -lxenstore

$(BUILD)/bench/storms: $(SIM)/bench/storms.o $(filter-out $(SIM)/bench/%,$(SIM_OBJS))
	@mkdir -p $(@D)
	@echo "  LINK    $@"
	$(Q)$(CC) $(CFLAGS) $(CHECK_LDFLAGS) -pthread -o $@ $^ \
		$(CORE_LIBS)

$(BUILD)/bench/resident: $(SIM)/bench/resident.o $(filter-out $(SIM)/bench/%,$(SIM_OBJS))
	@mkdir -p $(@D)
	@echo "  LINK    $@"
	$(Q)$(CC) $(CFLAGS) $(CHECK_LDFLAGS) -pthread -o $@ $^ \
		$(CORE_LIBS)

$(CHECK)/cagma-sim: $(SIM_SAN_OBJS)
	@mkdir -p $(@D)
	$(Q)$(CC) $(CHECK_CFLAGS) $(SIM_LDFLAGS) -pthread -o $@ $^ \
		$(CORE_LIBS)

-include $(wildcard $(SIM)/*/*.d $(SIM)/*/*/*.d)

.PHONY: sim check-sim bench-policy bench-resident bench-storms soak-sim
soak-sim: $(BUILD)/bench/cagma-sim
	$(Q)tests/run.sh "tests/sim-soak.sh $< --random $(SOAK_HOSTS)" \
		"tests/sim-soak.sh $< --liar $(SOAK_HOSTS)"
bench-policy: $(BUILD)/bench/cagma-sim
	$(Q)LIBS="$(CORE_LIBS)" \
		$(PYTHON) bench/sim/sweep.py $< $(SIM) $(CC) \
		$(filter-out -MMD -MP,$(BASE)) $(DOM0_CFLAGS) $(SIM_CFLAGS) -O2 $(SIM_LDFLAGS)
bench-resident: $(BUILD)/bench/resident
	$(Q)$(BUILD)/bench/resident
bench-storms: $(BUILD)/bench/storms
	$(Q)$(BUILD)/bench/storms --table
sim: $(BUILD)/bench/cagma-sim
# Thousands of guests, or domains, take their time: once, and not under sanitizers.
LARGE_SCENARIOS := $(wildcard tests/scenarios/M12-4095-*.scn tests/scenarios/N4-*.scn)
SCENARIOS := $(filter-out $(LARGE_SCENARIOS),$(wildcard tests/scenarios/*.scn))
check-sim: $(BUILD)/bench/cagma-sim $(CHECK)/cagma-sim $(BUILD)/bench/resident \
		$(BUILD)/bench/storms
	$(Q)LIBS="$(CORE_LIBS)" \
		tests/run.sh "$(CHECK)/cagma-sim $(SCENARIOS)" \
		"$(BUILD)/bench/cagma-sim $(LARGE_SCENARIOS)" \
		"$(BUILD)/bench/resident" "$(BUILD)/bench/storms" \
		"$(BUILD)/bench/cagma-sim --random $(SIM_RANDOM)" \
		"$(BUILD)/bench/cagma-sim --liar $(SIM_LIARS)" \
		"tests/replay.sh $(BUILD)/bench/cagma-sim $(SCENARIOS)" \
		"tests/sim-mutants.sh $(SIM) $(CC) $(filter-out -MMD -MP,$(BASE)) $(DOM0_CFLAGS) $(SIM_CFLAGS) -O1 $(SIM_LDFLAGS)"

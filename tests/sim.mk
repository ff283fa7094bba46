# SPDX-License-Identifier: GPL-2.0-only
# Included by the Makefile.
# The simulator: the daemon's code on simulated guests (docs/simulator.md).

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
	$(call link,$(SIM_LDFLAGS) -pthread $(CORE_LIBS))

$(BUILD)/bench/scale: $(SIM)/bench/scale.o $(filter-out $(SIM)/bench/%,$(SIM_OBJS))
	$(call link,$(CHECK_LDFLAGS) -pthread $(CORE_LIBS) -lxenstore)

$(BUILD)/bench/storms: $(SIM)/bench/storms.o $(filter-out $(SIM)/bench/%,$(SIM_OBJS))
	$(call link,$(CHECK_LDFLAGS) -pthread $(CORE_LIBS))

$(BUILD)/bench/resident: $(SIM)/bench/resident.o $(filter-out $(SIM)/bench/%,$(SIM_OBJS))
	$(call link,$(CHECK_LDFLAGS) -pthread $(CORE_LIBS))

$(CHECK)/cagma-sim: $(SIM_SAN_OBJS)
	$(call link-check,$(SIM_LDFLAGS) $(CORE_LIBS))

-include $(wildcard $(SIM)/*/*.d $(SIM)/*/*/*.d)

.PHONY: sim check-sim bench-policy bench-resident bench-storms soak-sim
# SOAK_HOSTS random hosts, a million, and as many liars: two hours of processor.
soak-sim: $(BUILD)/bench/cagma-sim
	$(Q)tests/run.sh "tests/sim-soak.sh $< --random $(SOAK_HOSTS)" \
		"tests/sim-soak.sh $< --liar $(SOAK_HOSTS)"

##@ bench
## bench-policy: what its constants are good for (HOSTS, ONLY)
# HOSTS random hosts; ONLY=NAME,... for some constants.
bench-policy: $(BUILD)/bench/cagma-sim
	$(Q)LIBS="$(CORE_LIBS)" \
		$(PYTHON) bench/sim/sweep.py $< $(SIM) $(CC) \
		$(filter-out -MMD -MP,$(BASE)) $(DOM0_CFLAGS) $(SIM_CFLAGS) -O2 $(SIM_LDFLAGS)

## bench-resident: memory of the daemon with many guests
bench-resident: $(BUILD)/bench/resident
	$(Q)$(BUILD)/bench/resident

## bench-storms: emergencies of all guests at once, and for ever
bench-storms: $(BUILD)/bench/storms
	$(Q)$(BUILD)/bench/storms --table

##@ build
## sim: the simulator, cagma-sim (docs/simulator.md)
sim: $(BUILD)/bench/cagma-sim

##@ tests
# Thousands of guests, or domains, take their time: once, and not under sanitizers.
LARGE_SCENARIOS := $(wildcard tests/scenarios/M12-4095-*.scn tests/scenarios/N4-*.scn)
SCENARIOS := $(filter-out $(LARGE_SCENARIOS),$(wildcard tests/scenarios/*.scn))
# What is decided in them is recorded and decided again.
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

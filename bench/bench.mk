# SPDX-License-Identifier: GPL-2.0-only
# Included by the Makefile: the demo, and what measures on real Xen (paper.mk: the
# paper's experiment; tests/sim.mk: the simulator's benchmarks).
##@ xen

## demo: the main job, with a report (build/demo/report.html)
demo: deps packages-demo
	+$(Q)$(SUBMAKE) images
	$(Q)$(PYTHON) bench/demo.py

##@ bench

# What measures reaction time: a guest's module, and programs in dom0.
REACTION := $(BUILD)/guest/lib/cagma/reaction.ko
REACTION_SOURCES := $(wildcard bench/reaction/*.c bench/reaction/*.h) bench/reaction/Kbuild
$(REACTION): $(REACTION_SOURCES) $(MODULE_SOURCES) $(BUILD)/images/versions
	$(call kmodule,bench/reaction)

$(BUILD)/bench/echo: $(BUILD)/obj/bench/reaction/echo.o
	$(call link,-lxenevtchn)

$(BUILD)/bench/storm: $(BUILD)/obj/bench/reaction/storm.o
	$(call link,-lxenstore)

# The daemon's own sources, but for how its orders go out.
$(BUILD)/obj/bench/reaction/answer.o: DOM0_CFLAGS += -Idom0
$(BUILD)/bench/answer: $(CORE_OBJS) $(BUILD)/obj/dom0/xen.o $(BUILD)/obj/bench/reaction/answer.o
	$(call link,-pthread $(XEN_LIBS) $(CORE_LIBS))

# The guest module's own sources, measured by another module.
COST := $(BUILD)/guest/lib/cagma/cost.ko
$(COST): $(wildcard bench/guest/*) $(MODULE_SOURCES) $(BUILD)/images/versions
	$(call kmodule,bench/guest)

$(BUILD)/bench/cputime: $(BUILD)/obj/bench/cputime.o
	$(call link,-lxenctrl)

$(BUILD)/bench/balloon: $(BUILD)/obj/bench/balloon.o
	$(call link,-lxenctrl -lxenstore)

.PHONY: demo bench-latency bench-scale bench-pass bench-attacks bench-guest \
	bench-growth bench-creates
## bench-latency: a guest's wait for memory, by route and load (ONLY)
# ONLY="LOAD..." for some loads; it goes on where it was interrupted.
bench-latency: packages-run images $(BUILD)/bench/echo $(BUILD)/bench/storm \
		$(BUILD)/bench/answer $(GUEST_BIN)/raise $(GUEST_BIN)/grow
	$(Q)$(MAKE) --no-print-directory $(REACTION)
	$(Q)mkimage/images.sh guest
	$(Q)$(PYTHON) bench/latency.py

## bench-pass bench-scale: a pass here; a guest's cost: 16 to 4,095 guests
# CLOCK=wall for both: in real time.
bench-pass: $(BUILD)/bench/scale
	$(Q)$(PYTHON) bench/pass.py

bench-scale: packages-run base $(BUILD)/bench/scale
	$(Q)$(PYTHON) bench/scale.py

## bench-attacks: what attacks cost the others (ATTACKS="busy storm")
bench-attacks: packages-run images $(BUILD)/bench/echo $(GUEST_BIN)/raise
	$(Q)$(MAKE) --no-print-directory $(REACTION)
	$(Q)mkimage/images.sh guest
	$(Q)$(PYTHON) bench/attacks.py

## bench-creates: what creations of domains cost guests (CYCLES)
bench-creates: packages-run images $(BUILD)/bench/echo $(GUEST_BIN)/raise
	$(Q)$(MAKE) --no-print-directory $(REACTION)
	$(Q)mkimage/images.sh guest
	$(Q)$(PYTHON) bench/creates.py

## bench-growth: a program that grows (KERNEL=bullseye or trixie)
# How fast the stock balloon is, and how such a program fares.
bench-growth: packages-run $(if $(filter stock,$(KERNEL)),images,suites) \
		$(GUEST_BIN)/grow $(BUILD)/bench/balloon
	$(Q)mkimage/images.sh guest
	$(Q)$(PYTHON) bench/growth.py $(KERNEL)

## bench-guest: what the module costs the guest that loads it
bench-guest: packages-run images $(BUILD)/bench/cputime $(GUEST_BIN)/loads
	$(Q)$(MAKE) --no-print-directory $(COST)
	$(Q)mkimage/images.sh guest
	$(Q)$(PYTHON) bench/guest.py

# SPDX-License-Identifier: GPL-2.0-only
# make            build the daemon, its tool, the workloads; installs no packages
# make deps       install the packages that this and `make check` need
# make check      unit tests: no Xen, no root, no network
# make check-busy  the same TIMES times (30) beside four busy loops per processor
# make test       all tests, real Xen under QEMU included
# make demo       the main job on real Xen under QEMU, with a report
# make images     what the QEMU runner boots
# make test-matrix  the module on every kernel, Xen and kind of guest, with a table
# make suites     what that boots besides: other Debian suites' kernels and Xen
# make test-install  the units under systemd: a dom0 that boots as Debian's own, with
#                 what `make install` installs
# make lint       what static analysis has to say (nothing, it should be)
# make test-cycles  CYCLES loads and unloads of the module (1000); KERNEL=debug or kasan:
#                 under a kernel that looks for leaks, locking errors, use after free
# make test-debug what dom0 does to a guest, and what happens to it, under "debug"
# make bench-guest  what the module costs the guest that loads it
# make bench-growth how fast the stock balloon is, and how a program fares that takes
#                 memory at a steady rate; KERNEL=bullseye or trixie: on that one
# make bench-creates what CYCLES creations of domains cost the running guests
# make bench-attacks what each attack of a guest costs dom0 and the other guests;
#                 ATTACKS="busy storm" for some of them
# make bench-latency how long a guest that needs memory waits, by each route and under
#                 each load; ONLY="LOAD..." for some; goes on where it was interrupted
# make bench-pass how long a periodic pass takes on this machine, for 16 to 4,095 guests
# make bench-scale what a guest costs dom0, for 16 to 4,095 guests
#                 (CLOCK=wall for both: in real time)
# make sim        the simulator: the daemon's code on simulated guests
#                 (docs/simulator.md, tests/sim.mk)
# make fuzz       every entry point of the daemon under libFuzzer (tests/fuzz.mk)
# make bench-paper, bench-services, bench-compare: the paper's experiment and
#                 what its results are compared with (bench/paper.mk)
# make soak       two processes on one page, and a million random hosts, for long
#                 (tests/torture.mk, tests/sim.mk)
# make coverage   what the unit tests reach (tests/coverage.mk)
# make model      the shared page's protocol in Spin, and its mutants
# make module     the guest module for the images' kernel
# make test-dkms  dkms builds it too
# make test-newest  it builds for the newest kernel that Debian has
# make install    daemon, tools, simulator, unit file, settings unless there are some,
#                 manual pages (DESTDIR, PREFIX, SYSCONFDIR)
# make install-guest  in a guest without the module: the agent and its unit
# make install-dkms   in a guest: the module's sources for dkms, loaded at boot

.DEFAULT_GOAL := all

PREFIX ?= /usr/local
SYSCONFDIR ?= /etc
DESTDIR ?=
CC = gcc
PYTHON = python3
VERSION := $(shell mk/version.sh)
BUILD := build
V ?= 0
# The README's two commands use all processors, unless they are told how many.
SUBMAKE = $(MAKE) --no-print-directory $(if $(filter -j%,$(MAKEFLAGS)),,-j$(shell nproc))
# Whether it is `make -n`.
DRY = $(findstring n,$(firstword -$(MAKEFLAGS)))
Q := $(if $(filter 1,$(V)),,@)

CFLAGS ?= -O2 -g
WARNINGS := -Wall -Wextra -Wconversion -Wno-sign-conversion -Wshadow -Werror
BASE := -std=gnu11 -D_GNU_SOURCE -MMD -MP \
	$(WARNINGS) -fstack-protector-strong -D_FORTIFY_SOURCE=2 -pthread
DOM0_CFLAGS := -Ishared

include mk/packages.mk

# Everything of the daemon but main.c; tests link it with a fake xen.c.
CORE := actuate advice answer baseline clients clock command config daemon debt \
	entitle feed fields foreign granted histogram instance invariant journal \
	lease lie log loop meminfo notify offer offset options pass policy reader record \
	requests serve session state status store trace track transport vchan
XEN_LIBS := -lxenctrl -lxencall -lxengnttab -lxenevtchn -lxenstore -lxenvchan -lxentoollog

CORE_OBJS := $(CORE:%=$(BUILD)/obj/dom0/%.o)

.PHONY: all check check-unit check-busy test test-dkms test-newest test-xen test-install systemd-image test-matrix test-cycles test-debug suites bench-latency bench-scale bench-pass bench-attacks bench-guest bench-growth bench-creates demo images base module lint model install install-guest install-dkms clean

# The guest's agent; it has the daemon's clock, its lock and its notifications.
AGENT := agent balloon channel event link print proc process
AGENT_OBJS := $(addprefix $(BUILD)/obj/domU/,\
	$(AGENT:%=%.o) main.o options.o) \
	$(addprefix $(BUILD)/obj/dom0/,clock.o instance.o notify.o)
AGENT_LIBS := -lxenvchan -lxengnttab -lxenevtchn -lxenstore
CAGMA_AGENT := $(BUILD)/guest/usr/sbin/cagma-agent

# What says the version is made anew when that changes, and nothing else.
VERSIONED := $(foreach tree,obj check sim coverage fuzz fuzz-afl,\
	$(addprefix $(BUILD)/$(tree)/,dom0/options.o dom0/cagmactl.o \
	dom0/exporter.o domU/options.o bench/sim/main.o))
$(VERSIONED): BASE += -DCAGMA_VERSION='"$(VERSION)"'
$(VERSIONED): $(BUILD)/version

.PHONY: FORCE
$(BUILD)/version: FORCE | ready
	@mkdir -p $(@D)
	@[ "$$(cat $@ 2>&1)" = '$(VERSION)' ] || echo '$(VERSION)' >$@

all: $(BUILD)/dom0/cagmad $(BUILD)/dom0/cagmactl $(BUILD)/dom0/cagma-exporter \
	$(BUILD)/dom0/cagma-create $(CAGMA_AGENT)

# With the others, as what goes into dom0's image.
$(BUILD)/dom0/cagma-create: dom0/cagma-create $(BUILD)/version
	@mkdir -p $(@D)
	$(Q)sed 's/@VERSION@/$(VERSION)/' $< >$@ && chmod 755 $@

$(BUILD)/obj/%.o: %.c | ready
	@mkdir -p $(@D)
	@echo "  CC      $<"
	$(Q)$(CC) $(BASE) $(DOM0_CFLAGS) $(CFLAGS) -c -o $@ $<

$(BUILD)/dom0/cagmad: $(CORE_OBJS) $(BUILD)/obj/dom0/xen.o $(BUILD)/obj/dom0/main.o
	@mkdir -p $(@D)
	@echo "  LINK    $@"
	$(Q)$(CC) $(CFLAGS) -pthread -o $@ $^ $(XEN_LIBS) $(CORE_LIBS)

$(BUILD)/dom0/cagmactl: $(addprefix $(BUILD)/obj/dom0/,\
	cagmactl.o ask.o show.o doctor.o reserve.o)
	@mkdir -p $(@D)
	@echo "  LINK    $@"
	$(Q)$(CC) $(CFLAGS) -o $@ $^ $(call pkg-libs,json-c)

$(BUILD)/dom0/cagma-exporter: $(addprefix $(BUILD)/obj/dom0/,\
	exporter.o metrics.o ask.o)
	@mkdir -p $(@D)
	@echo "  LINK    $@"
	$(Q)$(CC) $(CFLAGS) -o $@ $^ $(call pkg-libs,json-c libmicrohttpd)

$(BUILD)/obj/domU/%.o: DOM0_CFLAGS += -Idom0

$(CAGMA_AGENT): $(AGENT_OBJS)
	@mkdir -p $(@D)
	@echo "  LINK    $@"
	$(Q)$(CC) $(CFLAGS) -Wl,-z,relro,-z,now -o $@ $^ $(AGENT_LIBS)

# What goes into the guest image, and the parts of a boot.
TASK_OBJS := $(addprefix $(BUILD)/obj/bench/,task.o team.o counters.o metrics.o)
GUEST_PROGRAMS := $(BUILD)/guest/usr/bin/memtask $(BUILD)/guest/usr/bin/disktask
MODULE := $(BUILD)/guest/lib/cagma/cagma.ko
MODULE_SOURCES := $(wildcard kmod/*.c kmod/*.h shared/*.h) kmod/Kbuild $(BUILD)/version

# Static: a guest's page cache is memory that the guest could use.
SERVICE_PROGRAMS := $(BUILD)/guest/usr/bin/kvtask $(BUILD)/guest/usr/bin/jobtask
$(GUEST_PROGRAMS) $(SERVICE_PROGRAMS): $(BUILD)/guest/usr/bin/%: $(BUILD)/obj/bench/%.o $(TASK_OBJS)
	@mkdir -p $(@D)
	@echo "  LINK    $@"
	$(Q)$(CC) $(CFLAGS) -static -pthread -o $@ $^

base: packages-images
	$(Q)mkimage/images.sh base

# Built from a copy, so that the sources stay clean.
$(MODULE): $(MODULE_SOURCES) $(BUILD)/images/versions
	@mkdir -p $(@D) $(BUILD)/module
	@echo "  MODULE  $@"
	$(Q)cp -ru kmod shared $(BUILD)/module/
	$(Q)cp -u $(BUILD)/version $(BUILD)/module/VERSION
	$(Q). $(BUILD)/images/versions && $(MAKE) -s -C "$$KDIR" \
		M=$(CURDIR)/$(BUILD)/module/kmod modules
	$(Q)cp $(BUILD)/module/kmod/cagma.ko $@

$(BUILD)/images/versions: | base

# A guest that attacks dom0, and a dom0 that attacks a guest: tests only.
HOSTILE := $(BUILD)/guest/lib/cagma/hostile.ko
ATTACK := $(BUILD)/tests/attack

$(HOSTILE): tests/hostile/hostile.c tests/hostile/Kbuild $(MODULE_SOURCES) \
		$(BUILD)/images/versions
	@mkdir -p $(@D) $(BUILD)/module-hostile
	@echo "  MODULE  $@"
	$(Q)cp -ru --parents kmod shared tests/hostile $(BUILD)/module-hostile/
	$(Q)cp -u $(BUILD)/version $(BUILD)/module-hostile/VERSION
	$(Q). $(BUILD)/images/versions && $(MAKE) -s -C "$$KDIR" \
		M=$(CURDIR)/$(BUILD)/module-hostile/tests/hostile modules
	$(Q)cp $(BUILD)/module-hostile/tests/hostile/hostile.ko $@

$(ATTACK): $(BUILD)/obj/tests/hostile/attack.o
	@mkdir -p $(@D)
	@echo "  LINK    $@"
	$(Q)$(CC) $(CFLAGS) -o $@ $^ -lxengnttab -lxenevtchn

# A dom0 that has nothing left, and one that refuses what is asked of it.
HOST_TOOLS := $(BUILD)/tests/host $(BUILD)/tests/refuse.so

$(BUILD)/tests/host: $(BUILD)/obj/tests/hostile/host.o
	@mkdir -p $(@D)
	@echo "  LINK    $@"
	$(Q)$(CC) $(CFLAGS) -o $@ $^ -lxenctrl -lxenevtchn

$(BUILD)/tests/refuse.so: tests/hostile/refuse.c | ready
	@mkdir -p $(@D)
	@echo "  LINK    $@"
	$(Q)$(CC) $(filter-out -MMD -MP,$(BASE)) $(CFLAGS) -fPIC -shared -o $@ $< -ldl

# A guest that boots another kernel in place of its own, and that kernel.
KEXEC := $(BUILD)/guest/usr/bin/kexec

$(KEXEC): $(BUILD)/obj/tests/hostile/kexec.o
	@mkdir -p $(@D)
	@echo "  LINK    $@"
	$(Q)$(CC) $(CFLAGS) -static -o $@ $^

$(BUILD)/tests/kernel.tar: $(BUILD)/images/versions
	@mkdir -p $(@D)
	$(Q)tar -chf $@ -C $(BUILD)/images vmlinuz guest.initramfs

# An agent that attacks dom0.
SERVER := $(BUILD)/guest/usr/bin/server

$(SERVER): $(BUILD)/obj/tests/hostile/server.o
	@mkdir -p $(@D)
	@echo "  LINK    $@"
	$(Q)$(CC) $(CFLAGS) -o $@ $^ $(AGENT_LIBS)

# Memory that cannot be swapped out.
PIN := $(BUILD)/guest/usr/bin/pin

$(PIN): $(BUILD)/obj/tests/hostile/pin.o
	@mkdir -p $(@D)
	@echo "  LINK    $@"
	$(Q)$(CC) $(CFLAGS) -static -o $@ $^

# A guest that lends a page, and one that doesn't give it back.
LEND := $(BUILD)/guest/usr/bin/lend

$(LEND): $(BUILD)/obj/tests/hostile/lend.o
	@mkdir -p $(@D)
	@echo "  LINK    $@"
	$(Q)$(CC) $(CFLAGS) -o $@ $^ -lxengnttab

module: base
	$(Q)$(MAKE) --no-print-directory $(MODULE)

images: base all
	$(Q)$(MAKE) --no-print-directory $(MODULE) $(HOSTILE) $(SERVER) $(LEND) $(GUEST_PROGRAMS)
	$(Q)mkimage/images.sh guest

# Other Debian suites: their kernels, and one's Xen. Their own compilers build what
# has to fit them, in trees of theirs; make is told that the packages are there.
OTHER_SUITES := bullseye trixie
OTHER_HOST := trixie

suites: images
	$(Q)mkimage/images.sh base $(OTHER_SUITES)
	$(Q)$(MAKE) --no-print-directory $(OTHER_SUITES:%=module-%)
	$(Q)mkimage/inside.sh $(OTHER_HOST) make --no-print-directory -j$(shell nproc) \
		-o ready BUILD=$(BUILD)/$(OTHER_HOST) VERSION=$(VERSION) \
		$(BUILD)/$(OTHER_HOST)/dom0/cagmad $(BUILD)/$(OTHER_HOST)/dom0/cagmactl
	$(Q)mkimage/images.sh guest

$(OTHER_SUITES:%=module-%): module-%: $(BUILD)/version
	@mkdir -p $(BUILD)/module-$*
	@echo "  MODULE  $*"
	$(Q)cp -ru kmod shared $(BUILD)/module-$*/
	$(Q)cp -u $(BUILD)/version $(BUILD)/module-$*/VERSION
	$(Q). $(BUILD)/images/$*/versions && mkimage/inside.sh $* make -s \
		-C "$${KDIR#"$$TREE"}" M=/mnt/$(BUILD)/module-$*/kmod modules && \
		install -D $(BUILD)/module-$*/kmod/cagma.ko \
			"$(BUILD)/guest/lib/cagma/$$KERNEL_VERSION/cagma.ko"

# The daemon's own sources on a fake Xen, under sanitizers. A mutant is a test
# on a protocol with a known defect, which the test has to find.
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
	$(Q)rm -f $@ && ar rcs $@ $^

# The agent's, with the devices and the kernel's files that it finds in a test.
AGENT_CHECK_OBJS := $(AGENT:%=$(CHECK)/domU/%.o) \
	$(patsubst %.c,$(CHECK)/%.o,$(wildcard tests/fake/domU/*.c))

$(AGENT_CHECK_OBJS): DOM0_CFLAGS += -Itests/fake/domU

$(CHECK)/agent.a: $(AGENT_CHECK_OBJS)
	$(Q)rm -f $@ && ar rcs $@ $^

UNIT_LIBS = -Wl,--as-needed -lcmocka -lxenvchan \
	$(CORE_LIBS)

$(UNIT_TESTS): $(CHECK)/%: $(CHECK)/tests/unit/%.o $(CHECK)/agent.a $(CHECK)/unit.a
	$(Q)$(CC) $(CHECK_CFLAGS) $(CHECK_LDFLAGS) -pthread -o $@ $^ $(UNIT_LIBS)

# mutant_X.Y is test_X.c with MUTANT_Y.
$(MUTANTS): $(CHECK)/mutant_%: $(UNIT_TESTS)
	$(Q)$(CC) $(filter-out -MMD -MP,$(BASE)) $(DOM0_CFLAGS) $(CHECK_CFLAGS) \
		-DMUTANT$(subst .,_,$(suffix $*)) -o $@ \
		tests/unit/test_$(basename $*).c -lcmocka

include tests/torture.mk tests/sim.mk

check-unit: $(UNIT_TESTS) $(MUTANTS) $(TSAN)
	$(Q)tests/unit/run.sh $^

check: all sim
	$(Q)tests/run.sh "$(MAKE) --no-print-directory check-unit" \
		"$(MAKE) --no-print-directory check-sim" tests/cli.sh tests/build.sh tests/test_layers.py \
		tests/test_report.py tests/test_paper.py tests/test_latency.py tests/codegen/test_codegen.py

# A test may need time, but no luck.
TIMES ?= 30
check-busy: all sim $(UNIT_TESTS) $(MUTANTS) $(TSAN)
	$(Q)tests/busy.sh $(TIMES) "$(MAKE) --no-print-directory check"

-include $(wildcard $(CHECK)/*/*.d $(CHECK)/*/*/*.d)

# What is tested is what is installed.
INSTALLED := $(BUILD)/test-install/root
systemd-image: images sim
	$(Q)mkimage/images.sh systemd
	$(Q)rm -rf $(INSTALLED)
	$(Q)$(MAKE) -s install install-guest PREFIX=/usr DESTDIR=$(CURDIR)/$(INSTALLED)

test-install: packages-run systemd-image
	$(Q)tests/run.sh "tests/xen/run.sh install"

test-xen: packages-run suites systemd-image $(ATTACK) $(HOST_TOOLS) $(BUILD)/bench/cagma-sim \
		$(KEXEC) $(PIN) $(BUILD)/guest/usr/bin/collector-test $(BUILD)/bench/echo
	$(Q)$(MAKE) --no-print-directory $(COLLECTOR) $(REACTION) $(BUILD)/tests/kernel.tar
	$(Q)mkimage/images.sh guest
	$(Q)tests/run.sh tests/hooks.sh tests/runner.sh tests/xen/run.sh

test-matrix: packages-run suites $(BUILD)/bench/cagma-sim
	$(Q)tests/run.sh "tests/xen/run.sh matrix"

# dkms itself, on the headers of the images' kernel.
test-dkms: packages-dkms module
	$(Q)tests/run.sh tests/dkms.sh

# Not part of `make test`: what is the newest changes.
test-newest:
	$(Q)tests/run.sh tests/newest.sh

test: deps packages-codegen packages-model packages-dkms
	+$(Q)tests/run.sh "$(SUBMAKE) check" "$(SUBMAKE) coverage" "$(SUBMAKE) model" \
		"$(SUBMAKE) fuzz FUZZ_SECONDS=20" "$(SUBMAKE) test-dkms" \
		"$(SUBMAKE) guard" "$(SUBMAKE) test-xen"

# The module for a kernel of debug-kernel.sh's, beside Debian's in the guest image.
DEBUG_MODULES := debug-module kasan-module
.PHONY: $(DEBUG_MODULES)
$(DEBUG_MODULES): KDIR = $(CURDIR)/$(BUILD)/images/$(@:-module=)
$(DEBUG_MODULES): %-module: images $(BUILD)/version
	$(Q)mkimage/debug-kernel.sh $*
	$(Q)rm -rf $(BUILD)/module-$* && mkdir -p $(BUILD)/module-$*
	$(Q)cp -r kmod shared $(BUILD)/module-$*/
	$(Q)cp $(BUILD)/version $(BUILD)/module-$*/VERSION
	$(Q)$(MAKE) -s -C $(KDIR) M=$(CURDIR)/$(BUILD)/module-$*/kmod modules
	$(Q)install -D $(BUILD)/module-$*/kmod/cagma.ko $(BUILD)/guest/lib/cagma/$$(cat $(KDIR)/include/config/kernel.release)/cagma.ko

CYCLES ?= 1000
KERNEL ?= stock
$(BUILD)/guest/usr/bin/failload: $(BUILD)/obj/tests/hostile/failload.o
	@mkdir -p $(@D)
	@echo "  LINK    $@"
	$(Q)$(CC) $(CFLAGS) -static -o $@ $^

# A dom0 that attacks, and what happens to domains, as the debug kernel sees it.
test-debug: packages-run debug-module $(ATTACK) $(KEXEC) $(BUILD)/bench/cagma-sim
	$(Q)$(MAKE) --no-print-directory $(BUILD)/tests/kernel.tar
	$(Q)mkimage/images.sh guest
	$(Q)KERNEL=debug tests/xen/run.sh lifecycle hostile

test-cycles: packages-run images $(BUILD)/bench/cagma-sim $(BUILD)/guest/usr/bin/failload \
		$(BUILD)/guest/usr/bin/raise $(filter $(KERNEL)-module,$(DEBUG_MODULES))
	$(Q)install tests/xen/guest-cycles.sh $(BUILD)/guest/lib/cagma/
	$(Q)mkimage/images.sh guest
	$(Q)CYCLES=$(CYCLES) KERNEL=$(KERNEL) tests/xen/run.sh cycles

# What measures reaction time: a guest's module, and programs in dom0.
REACTION := $(BUILD)/guest/lib/cagma/reaction.ko
REACTION_SOURCES := $(wildcard bench/reaction/*.c bench/reaction/*.h) bench/reaction/Kbuild
$(REACTION): $(REACTION_SOURCES) $(MODULE_SOURCES) $(BUILD)/images/versions
	@mkdir -p $(@D) $(BUILD)/module-reaction
	@echo "  MODULE  $@"
	$(Q)cp -ru --parents kmod shared bench/reaction $(BUILD)/module-reaction/
	$(Q)cp -u $(BUILD)/version $(BUILD)/module-reaction/VERSION
	$(Q). $(BUILD)/images/versions && $(MAKE) -s -C "$$KDIR" \
		M=$(CURDIR)/$(BUILD)/module-reaction/bench/reaction modules
	$(Q)cp $(BUILD)/module-reaction/bench/reaction/reaction.ko $@

$(BUILD)/guest/usr/bin/raise: $(BUILD)/obj/bench/raise.o
	@mkdir -p $(@D)
	@echo "  LINK    $@"
	$(Q)$(CC) $(CFLAGS) -static -o $@ $^

$(BUILD)/guest/usr/bin/grow: $(BUILD)/obj/bench/grow.o $(BUILD)/obj/bench/task.o
	@mkdir -p $(@D)
	@echo "  LINK    $@"
	$(Q)$(CC) $(CFLAGS) -static -o $@ $^

$(BUILD)/bench/echo: $(BUILD)/obj/bench/reaction/echo.o
	@mkdir -p $(@D)
	@echo "  LINK    $@"
	$(Q)$(CC) $(CFLAGS) -o $@ $^ -lxenevtchn

# The guest module's own sources, measured by another module.
COST := $(BUILD)/guest/lib/cagma/cost.ko
$(COST): $(wildcard bench/guest/*) $(MODULE_SOURCES) $(BUILD)/images/versions
	@mkdir -p $(@D) $(BUILD)/module-cost
	@echo "  MODULE  $@"
	$(Q)cp -ru --parents kmod shared bench/guest $(BUILD)/module-cost/
	$(Q)cp -u $(BUILD)/version $(BUILD)/module-cost/VERSION
	$(Q). $(BUILD)/images/versions && $(MAKE) -s -C "$$KDIR" \
		M=$(CURDIR)/$(BUILD)/module-cost/bench/guest modules
	$(Q)cp $(BUILD)/module-cost/bench/guest/cost.ko $@

$(BUILD)/guest/usr/bin/loads: $(BUILD)/obj/bench/loads.o
	@mkdir -p $(@D)
	@echo "  LINK    $@"
	$(Q)$(CC) $(CFLAGS) -static -o $@ $^

$(BUILD)/bench/cputime: $(BUILD)/obj/bench/cputime.o
	@mkdir -p $(@D)
	@echo "  LINK    $@"
	$(Q)$(CC) $(CFLAGS) -o $@ $^ -lxenctrl

bench-guest: packages-run images $(BUILD)/bench/cputime $(BUILD)/guest/usr/bin/loads
	$(Q)$(MAKE) --no-print-directory $(COST)
	$(Q)mkimage/images.sh guest
	$(Q)$(PYTHON) bench/guest.py

$(BUILD)/bench/storm: $(BUILD)/obj/bench/reaction/storm.o
	@mkdir -p $(@D)
	@echo "  LINK    $@"
	$(Q)$(CC) $(CFLAGS) -o $@ $^ -lxenstore

# The daemon's own sources, but for how its orders go out.
$(BUILD)/obj/bench/reaction/answer.o: DOM0_CFLAGS += -Idom0
$(BUILD)/bench/answer: $(CORE_OBJS) $(BUILD)/obj/dom0/xen.o $(BUILD)/obj/bench/reaction/answer.o
	@mkdir -p $(@D)
	@echo "  LINK    $@"
	$(Q)$(CC) $(CFLAGS) -pthread -o $@ $^ $(XEN_LIBS) \
		$(CORE_LIBS)

bench-latency: packages-run images $(BUILD)/bench/echo $(BUILD)/bench/storm \
		$(BUILD)/bench/answer $(BUILD)/guest/usr/bin/raise $(BUILD)/guest/usr/bin/grow
	$(Q)$(MAKE) --no-print-directory $(REACTION)
	$(Q)mkimage/images.sh guest
	$(Q)$(PYTHON) bench/latency.py

bench-scale: packages-run base $(BUILD)/bench/scale
	$(Q)$(PYTHON) bench/scale.py

bench-pass: $(BUILD)/bench/scale
	$(Q)$(PYTHON) bench/pass.py

bench-attacks: packages-run images $(BUILD)/bench/echo $(BUILD)/guest/usr/bin/raise
	$(Q)$(MAKE) --no-print-directory $(REACTION)
	$(Q)mkimage/images.sh guest
	$(Q)$(PYTHON) bench/attacks.py

bench-creates: packages-run images $(BUILD)/bench/echo $(BUILD)/guest/usr/bin/raise
	$(Q)$(MAKE) --no-print-directory $(REACTION)
	$(Q)mkimage/images.sh guest
	$(Q)$(PYTHON) bench/creates.py

$(BUILD)/bench/balloon: $(BUILD)/obj/bench/balloon.o
	@mkdir -p $(@D)
	@echo "  LINK    $@"
	$(Q)$(CC) $(CFLAGS) -o $@ $^ -lxenctrl -lxenstore

bench-growth: packages-run $(if $(filter stock,$(KERNEL)),images,suites) \
		$(BUILD)/guest/usr/bin/grow $(BUILD)/bench/balloon
	$(Q)mkimage/images.sh guest
	$(Q)$(PYTHON) bench/growth.py $(KERNEL)

demo: deps packages-demo
	+$(Q)$(SUBMAKE) images
	$(Q)$(PYTHON) bench/demo.py

lint: packages-lint base all
	$(Q)tests/lint.sh

model: packages-model
	$(Q)tests/model/run.sh

# $(call manual,PAGE...): with the version at the foot of each.
define manual
	for page in $(1); do \
		dir=$(DESTDIR)$(PREFIX)/share/man/man$${page##*.}; \
		install -d $$dir && sed 's|@VERSION@|$(VERSION)|' docs/$$page | \
			install -m 644 /dev/stdin $$dir/$$page || exit; \
	done
endef

install: all sim
	install -d $(DESTDIR)$(PREFIX)/sbin $(DESTDIR)$(PREFIX)/bin \
		$(DESTDIR)$(PREFIX)/lib/systemd/system
	install $(BUILD)/dom0/cagmad $(BUILD)/dom0/cagmactl $(BUILD)/dom0/cagma-create \
		$(BUILD)/dom0/cagma-exporter $(DESTDIR)$(PREFIX)/sbin/
	install $(BUILD)/bench/cagma-sim $(DESTDIR)$(PREFIX)/bin/
	$(call manual,cagma-sim.1 cagmad.8 cagmactl.8 cagma-create.8 cagma-exporter.8 cagma.4)
	install -d $(DESTDIR)$(PREFIX)/share/cagma
	install -m 644 docs/grafana.json $(DESTDIR)$(PREFIX)/share/cagma/
	install -d $(DESTDIR)$(SYSCONFDIR)
	[ -e $(DESTDIR)$(SYSCONFDIR)/cagmad.conf ] || \
		install -m 644 dom0/cagmad.conf $(DESTDIR)$(SYSCONFDIR)/
	install -D -m 644 dom0/cagmad.sysusers $(DESTDIR)$(PREFIX)/lib/sysusers.d/cagmad.conf
	for unit in cagmad cagma-exporter; do \
		sed 's|@PREFIX@|$(PREFIX)|; s|@SYSCONFDIR@|$(SYSCONFDIR)|' \
			dom0/$$unit.service.in \
			> $(DESTDIR)$(PREFIX)/lib/systemd/system/$$unit.service || exit; \
	done

# systemd's and dkms's own directories: they look nowhere else.
install-guest: $(CAGMA_AGENT)
	install -d $(DESTDIR)$(PREFIX)/sbin $(DESTDIR)$(PREFIX)/lib/systemd/system \
		$(DESTDIR)$(PREFIX)/lib/sysusers.d
	install $(CAGMA_AGENT) $(DESTDIR)$(PREFIX)/sbin/
	$(call manual,cagma-agent.8)
	install -m 644 domU/cagma-agent.sysusers \
		$(DESTDIR)$(PREFIX)/lib/sysusers.d/cagma-agent.conf
	sed 's|@PREFIX@|$(PREFIX)|' domU/cagma-agent.service.in \
		> $(DESTDIR)$(PREFIX)/lib/systemd/system/cagma-agent.service

DKMS_TREE := $(DESTDIR)/usr/src/cagma-$(VERSION)
install-dkms:
	install -d $(DKMS_TREE)/kmod $(DKMS_TREE)/shared $(DESTDIR)/etc/modules-load.d
	install -m 644 kmod/Kbuild $(wildcard kmod/*.[ch]) $(DKMS_TREE)/kmod/
	install -m 644 $(wildcard shared/*.h) $(DKMS_TREE)/shared/
	sed 's|@VERSION@|$(VERSION)|' kmod/dkms.conf.in > $(DKMS_TREE)/dkms.conf
	echo '$(VERSION)' > $(DKMS_TREE)/VERSION
	install -m 644 kmod/cagma.modules-load $(DESTDIR)/etc/modules-load.d/cagma.conf
	$(call manual,cagma.4)

include tests/fuzz.mk tests/coverage.mk bench/paper.mk

-include $(wildcard $(BUILD)/obj/*/*.d $(BUILD)/obj/*/*/*.d)

clean:
	rm -rf $(BUILD)

# SPDX-License-Identifier: GPL-2.0-only
# Included by the Makefile: what runs in the guests that tests and benchmarks boot, and
# the images of those boots.
##@ xen

GUEST_BIN := $(BUILD)/guest/usr/bin
MODULE := $(BUILD)/guest/lib/cagma/cagma.ko
MODULE_SOURCES := $(wildcard kmod/*.c kmod/*.h shared/*.h) kmod/Kbuild $(BUILD)/version

$(BUILD)/images/versions: | base

$(MODULE): $(MODULE_SOURCES) $(BUILD)/images/versions
	$(call kmodule,kmod)

# Workloads. Static: a guest's page cache is memory that the guest could use.
TASK_OBJS := $(addprefix $(BUILD)/obj/bench/,task.o team.o counters.o metrics.o)
GUEST_PROGRAMS := $(GUEST_BIN)/memtask $(GUEST_BIN)/disktask
SERVICE_PROGRAMS := $(GUEST_BIN)/kvtask $(GUEST_BIN)/jobtask
$(GUEST_PROGRAMS) $(SERVICE_PROGRAMS): $(GUEST_BIN)/%: $(BUILD)/obj/bench/%.o $(TASK_OBJS)
	$(call link,-static -pthread)

$(GUEST_BIN)/grow $(GUEST_BIN)/collect: $(GUEST_BIN)/%: $(BUILD)/obj/bench/%.o \
		$(BUILD)/obj/bench/task.o
	$(call link,-static)

$(GUEST_BIN)/raise $(GUEST_BIN)/loads: $(GUEST_BIN)/%: $(BUILD)/obj/bench/%.o
	$(call link,-static)

# A guest that attacks dom0, and a dom0 that attacks a guest: tests only.
HOSTILE := $(BUILD)/guest/lib/cagma/hostile.ko
ATTACK := $(BUILD)/tests/attack

$(HOSTILE): tests/hostile/hostile.c tests/hostile/Kbuild $(MODULE_SOURCES) \
		$(BUILD)/images/versions
	$(call kmodule,tests/hostile)

$(ATTACK): $(BUILD)/obj/tests/hostile/attack.o
	$(call link,-lxengnttab -lxenevtchn)

# A dom0 that has nothing left, and one that refuses what is asked of it.
HOST_TOOLS := $(BUILD)/tests/host $(BUILD)/tests/refuse.so

$(BUILD)/tests/host: $(BUILD)/obj/tests/hostile/host.o
	$(call link,-lxenctrl -lxenevtchn)

$(BUILD)/tests/refuse.so: tests/hostile/refuse.c | ready
	$(call link,$(filter-out -MMD -MP,$(BASE)) -fPIC -shared -ldl)

# A guest that boots another kernel in place of its own, and that kernel; memory that
# cannot be swapped out; and allocations that fail while the module is loaded.
KEXEC := $(GUEST_BIN)/kexec
PIN := $(GUEST_BIN)/pin
FAILLOAD := $(GUEST_BIN)/failload

$(KEXEC) $(PIN) $(FAILLOAD): $(GUEST_BIN)/%: $(BUILD)/obj/tests/hostile/%.o
	$(call link,-static)

$(BUILD)/tests/kernel.tar: $(BUILD)/images/versions
	@mkdir -p $(@D)
	$(Q)tar -chf $@ -C $(BUILD)/images vmlinuz guest.initramfs

# An agent that attacks dom0.
SERVER := $(GUEST_BIN)/server

$(SERVER): $(BUILD)/obj/tests/hostile/server.o
	$(call link,$(AGENT_LIBS))

# A guest that lends a page, and one that doesn't give it back.
LEND := $(GUEST_BIN)/lend

$(LEND): $(BUILD)/obj/tests/hostile/lend.o
	$(call link,-lxengnttab)

.PHONY: base module images suites systemd-image
base: packages-images
	$(Q)mkimage/images.sh base

module: base
	$(Q)$(MAKE) --no-print-directory $(MODULE)

## images module suites: what is booted; its module; other Debian suites
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
	$(call module-copy,$(BUILD)/module-$*)
	$(Q). $(BUILD)/images/$*/versions && mkimage/inside.sh $* make -s \
		-C "$${KDIR#"$$TREE"}" M=/mnt/$(BUILD)/module-$*/kmod modules && \
		install -D $(BUILD)/module-$*/kmod/cagma.ko \
			"$(BUILD)/guest/lib/cagma/$$KERNEL_VERSION/cagma.ko"

KERNEL ?= stock
# The module for a kernel of debug-kernel.sh's, beside Debian's in the guest image.
DEBUG_MODULES := debug-module kasan-module
.PHONY: $(DEBUG_MODULES)
$(DEBUG_MODULES): KDIR = $(CURDIR)/$(BUILD)/images/$(@:-module=)
$(DEBUG_MODULES): %-module: images $(BUILD)/version
	$(Q)mkimage/debug-kernel.sh $*
	$(Q)rm -rf $(BUILD)/module-$*
	$(call module-copy,$(BUILD)/module-$*)
	$(Q)$(MAKE) -s -C $(KDIR) M=$(CURDIR)/$(BUILD)/module-$*/kmod modules
	$(Q)install -D $(BUILD)/module-$*/kmod/cagma.ko $(BUILD)/guest/lib/cagma/$$(cat $(KDIR)/include/config/kernel.release)/cagma.ko

# What is tested is what is installed.
INSTALLED := $(BUILD)/test-install/root
systemd-image: images sim
	$(Q)mkimage/images.sh systemd
	$(Q)rm -rf $(INSTALLED)
	$(Q)$(MAKE) -s install install-guest PREFIX=/usr DESTDIR=$(CURDIR)/$(INSTALLED)

# SPDX-License-Identifier: GPL-2.0-only
#
# `make help` lists the targets, from the comments above them. Programs and what is
# installed stand here; mk/ has the packages, the rules and the images, tests/*.mk and
# bench/*.mk the rest.

.DEFAULT_GOAL := all

PREFIX ?= /usr/local
SYSCONFDIR ?= /etc
DESTDIR ?=
CC = gcc
PYTHON = python3
BUILD := build
VERSION := $(shell mk/version.sh)

# The groups of `make help`, in this order:
##@ build: Build and install (make compiles, and installs no packages)
##@ tests: Tests without Xen
##@ xen: On real Xen under QEMU (packages are installed if need be)
##@ bench: Benchmarks (docs/benchmarks.md)

include mk/packages.mk mk/rules.mk

# Everything of the daemon but main.c; tests link it with a fake xen.c.
CORE := actuate advice answer baseline clients clock command config daemon debt \
	entitle feed fields foreign granted histogram instance invariant journal \
	lease lie log loop meminfo notify offer offset options pass policy reader record \
	requests serve session state status store trace track transport vchan
XEN_LIBS := -lxenctrl -lxencall -lxengnttab -lxenevtchn -lxenstore -lxenvchan -lxentoollog

CORE_OBJS := $(CORE:%=$(BUILD)/obj/dom0/%.o)

# The guest's agent; it has the daemon's clock, its lock and its notifications.
AGENT := agent balloon channel event link print proc process
AGENT_OBJS := $(addprefix $(BUILD)/obj/domU/,\
	$(AGENT:%=%.o) main.o options.o) \
	$(addprefix $(BUILD)/obj/dom0/,clock.o instance.o notify.o)
AGENT_RELRO := -Wl,-z,relro,-z,now
AGENT_LIBS := -lxenvchan -lxengnttab -lxenevtchn -lxenstore
CAGMA_AGENT := $(BUILD)/guest/usr/sbin/cagma-agent

##@ build
.PHONY: all install install-guest install-dkms clean help
## all: daemon, tools and agent: what `make` alone compiles
all: $(BUILD)/dom0/cagmad $(BUILD)/dom0/cagmactl $(BUILD)/dom0/cagma-exporter \
	$(BUILD)/dom0/cagma-create $(CAGMA_AGENT)

$(BUILD)/dom0/cagmad: $(CORE_OBJS) $(BUILD)/obj/dom0/xen.o $(BUILD)/obj/dom0/main.o
	$(call link,-pthread $(XEN_LIBS) $(CORE_LIBS))

$(BUILD)/dom0/cagmactl: $(addprefix $(BUILD)/obj/dom0/,\
	cagmactl.o ask.o show.o doctor.o reserve.o)
	$(call link,$(call pkg-libs,json-c))

$(BUILD)/dom0/cagma-exporter: $(addprefix $(BUILD)/obj/dom0/,\
	exporter.o metrics.o ask.o)
	$(call link,$(call pkg-libs,json-c libmicrohttpd))

# With the others, as what goes into dom0's image.
$(BUILD)/dom0/cagma-create: dom0/cagma-create $(BUILD)/version
	@mkdir -p $(@D)
	$(Q)sed 's/@VERSION@/$(VERSION)/' $< >$@ && chmod 755 $@

$(BUILD)/obj/domU/%.o: DOM0_CFLAGS += -Idom0

$(CAGMA_AGENT): $(AGENT_OBJS)
	$(call link,$(AGENT_RELRO) $(AGENT_LIBS))

# $(call manual,PAGE...): with the version at the foot of each.
define manual
	for page in $(1); do \
		dir=$(DESTDIR)$(PREFIX)/share/man/man$${page##*.}; \
		install -d $$dir && sed 's|@VERSION@|$(VERSION)|' docs/$$page | \
			install -m 644 /dev/stdin $$dir/$$page || exit; \
	done
endef

## install: in dom0: daemon, tools, simulator, units, manuals
# DESTDIR, PREFIX, SYSCONFDIR; settings, if there are none.
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

## install-guest: in a guest without the module: agent and unit
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

## install-dkms: in a guest: the module's sources for dkms
DKMS_TREE := $(DESTDIR)/usr/src/cagma-$(VERSION)
install-dkms:
	install -d $(DKMS_TREE)/kmod $(DKMS_TREE)/shared $(DESTDIR)/etc/modules-load.d
	install -m 644 kmod/Kbuild $(wildcard kmod/*.[ch]) $(DKMS_TREE)/kmod/
	install -m 644 $(wildcard shared/*.h) $(DKMS_TREE)/shared/
	sed 's|@VERSION@|$(VERSION)|' kmod/dkms.conf.in > $(DKMS_TREE)/dkms.conf
	echo '$(VERSION)' > $(DKMS_TREE)/VERSION
	install -m 644 kmod/cagma.modules-load $(DESTDIR)/etc/modules-load.d/cagma.conf
	$(call manual,cagma.4)

## clean help: remove build/; show this
clean:
	rm -rf $(BUILD)

# A line "## NAME...: TEXT" is about targets; those behind "##@ GROUP" are of that group.
help:
	@awk -F ': ' '/^##@ .*: / { title[++n] = $$2; number[$$1] = n } \
		/^##@ / { group = number[$$1] } \
		/^## [a-z][a-z -]*: / { name = substr($$1, 4); sub(/^[^:]*: /, ""); \
			text[group] = text[group] sprintf("  %-23s %s\n", name, $$0) } \
		END { for (i = 1; i <= n; i++) printf "%s\n%s", title[i], text[i] }' \
		$(filter-out %.d,$(MAKEFILE_LIST))

include tests/check.mk tests/coverage.mk tests/fuzz.mk mk/images.mk bench/bench.mk \
	bench/paper.mk tests/xen.mk

-include $(wildcard $(BUILD)/obj/*/*.d $(BUILD)/obj/*/*/*.d)

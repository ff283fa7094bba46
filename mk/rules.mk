# SPDX-License-Identifier: GPL-2.0-only
# Included by the Makefile: how things are compiled and linked.

V ?= 0
Q := $(if $(filter 1,$(V)),,@)
# The README's two commands use all processors, unless they are told how many.
SUBMAKE = $(MAKE) --no-print-directory $(if $(filter -j%,$(MAKEFLAGS)),,-j$(shell nproc))
# Whether it is `make -n`.
DRY = $(findstring n,$(firstword -$(MAKEFLAGS)))

CFLAGS ?= -O2 -g
WARNINGS := -Wall -Wextra -Wconversion -Wno-sign-conversion -Wshadow -Werror
BASE := -std=gnu11 -D_GNU_SOURCE -MMD -MP \
	$(WARNINGS) -fstack-protector-strong -D_FORTIFY_SOURCE=2 -pthread
DOM0_CFLAGS := -Ishared

$(BUILD)/obj/%.o: %.c | ready
	@mkdir -p $(@D)
	@echo "  CC      $<"
	$(Q)$(CC) $(BASE) $(DOM0_CFLAGS) $(CFLAGS) -c -o $@ $<

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

# $(call link,OPTION...): a program of the objects that it depends on.
define link
	@mkdir -p $(@D)
	@echo "  LINK    $@"
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $^ $(1)
endef

# $(call link-check,OPTION...): a test program, under sanitizers. There are many.
define link-check
	@mkdir -p $(@D)
	$(Q)$(CC) $(CHECK_CFLAGS) -pthread -o $@ $^ $(1)
endef

# $(call archive): what test programs are linked with.
define archive
	$(Q)rm -f $@ && ar rcs $@ $^
endef

# $(call module-copy,COPY,FOLDER): a module's sources and those that it includes. It
# is built there, so that the sources stay clean.
define module-copy
	@mkdir -p $(@D) $(1)
	@echo "  MODULE  $@"
	$(Q)cp -ru --parents $(sort kmod shared $(2)) $(1)/
	$(Q)cp -u $(BUILD)/version $(1)/VERSION
endef

# $(call kmodule,FOLDER): the module FOLDER/NAME.ko, for the kernel of the images.
define kmodule
	$(call module-copy,$(BUILD)/module-$(basename $(@F)),$(1))
	$(if $(DRY),,+)$(Q). $(BUILD)/images/versions && $(MAKE) -s -C "$$KDIR" \
		M=$(CURDIR)/$(BUILD)/module-$(basename $(@F))/$(1) modules
	$(Q)cp $(BUILD)/module-$(basename $(@F))/$(1)/$(@F) $@
endef

# SPDX-License-Identifier: GPL-2.0-only
# Included by the Makefile: what has to be installed.
##@ build
#
# What only compiles installs nothing; it says what is missing, before a compiler
# would. `make deps` installs it. These install what they need by themselves, say
# which packages that is, and compile nothing before:
INSTALLING := demo test test-% bench-% guard images base suites systemd-image \
	module debug-module kasan-module lint model coverage fuzz fuzz-%

# Debian's packages for compiling, and what each of the other targets adds.
PACKAGES_BUILD := gcc make pkg-config libc6-dev libxen-dev liburcu-dev \
	libjson-c-dev libconfig-dev libmicrohttpd-dev
PACKAGES_CHECK := libcmocka-dev python3
PACKAGES_IMAGES := mmdebstrap e2fsprogs fdisk cpio xz-utils zstd libelf1 python3 uidmap
PACKAGES_RUN := qemu-system-x86 python3
PACKAGES_DEMO := gnuplot-nox
PACKAGES_LINT := clang-tidy cppcheck sparse shellcheck
PACKAGES_MODEL := spin gcc libc6-dev
PACKAGES_DKMS := dkms kmod
PACKAGES_FUZZ := clang llvm libclang-rt-14-dev
PACKAGES_AFL := afl++ clang
PACKAGES_CODEGEN := gcc-aarch64-linux-gnu libc6-dev-arm64-cross \
	python3-unicorn python3-pyelftools

.PHONY: deps
## deps: install what the rest of the group and check need
deps: packages-check

packages-build:
	$(Q)mkimage/need.sh $(PACKAGES_BUILD)
packages-check: packages-build
	$(Q)mkimage/need.sh $(PACKAGES_CHECK)
packages-images: packages-build
	$(Q)mkimage/need.sh $(PACKAGES_IMAGES)
packages-run: packages-images
	$(Q)mkimage/need.sh $(PACKAGES_RUN)
packages-demo: packages-run
	$(Q)mkimage/need.sh $(PACKAGES_DEMO)
packages-lint: packages-run
	$(Q)mkimage/need.sh $(PACKAGES_LINT)
packages-fuzz: packages-check
	$(Q)mkimage/need.sh $(PACKAGES_FUZZ)
packages-afl: packages-codegen
	$(Q)mkimage/need.sh $(PACKAGES_AFL)
packages-codegen: packages-fuzz
	$(Q)mkimage/need.sh $(PACKAGES_CODEGEN)
packages-model:
	$(Q)mkimage/need.sh $(PACKAGES_MODEL)
packages-dkms: packages-images
	$(Q)mkimage/need.sh $(PACKAGES_DKMS)

# The same for compilers of any distribution, as pkg-config calls it.
LIBRARIES := liburcu json-c libconfig libmicrohttpd xencontrol xencall xengnttab \
	xenevtchn xenstore xenvchan xentoollog
lacking = $(strip $(shell for tool in $(firstword $(CC)) pkg-config; do \
		command -v $$tool >/dev/null || echo $$tool; done; \
	pkg-config --exists $(LIBRARIES) 2>/dev/null || for library in $(LIBRARIES); do \
		pkg-config --exists $$library 2>/dev/null || echo $$library; done))

complain = $(if $(1),$(error missing: $(1); on Debian, `make deps` installs them))

# What compiles waits for it.
.PHONY: ready ready-check
ready-check: LIBRARIES += cmocka
ready ready-check: $(if $(filter $(INSTALLING),$(MAKECMDGOALS)),packages-check)
	@$(if $(DRY),,$(call complain,$(lacking))):

# Flags of libraries are asked for when they are needed, not before they are there.
pkg-libs = $(shell pkg-config --libs $(1) $(if $(DRY),2>/dev/null))
CORE_LIBS = $(call pkg-libs,liburcu json-c libconfig)

#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Before a dom0 boots with systemd: what `make install install-guest` installs, and a
# package's enabling of the units.

set -euo pipefail
cp -a /cagma/in/root/. /
# As its own unit does at boot, or a package when it is installed.
systemd-sysusers
systemctl -q enable cagmad cagma-exporter cagma-agent

#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# In dom0, for guard.py: what a pass over few guests costs, and over many.

# shellcheck source=../mkimage/dom0-lib.sh
. /cagma/in/lib.sh

phase "passes over 16 to 1,024 guests"
/cagma/in/scale 1024 >"$CAGMA_OUT/pass.jsonl" || die "measuring the pass failed"

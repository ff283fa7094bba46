#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# In dom0, for scale.py: both kinds of reading on one clock.

# shellcheck source=../mkimage/dom0-lib.sh
. /cagma/in/lib.sh

phase "shared pages"
/cagma/in/scale >"$CAGMA_OUT/page.jsonl" || die "reading pages failed"
phase "xenstore"
/cagma/in/scale --xenstore >"$CAGMA_OUT/xenstore.jsonl" || die "reading xenstore failed"

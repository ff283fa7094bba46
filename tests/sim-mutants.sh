#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# LIBS=... sim-mutants.sh SIM-OBJECT-DIR CC FLAGS...: each mutant removes one rule from the
# daemon. The scenarios, or if need be the random hosts, must notice.

set -uo pipefail
cd "$(dirname "$0")/.." || exit 1

objects=$1
shift
compile=("$@")
read -ra libs <<<"${LIBS:?what to link with}"
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
passed=0 failed=0
# Exact figures would notice any change, and not the one that is missing.
mapfile -t scenarios < <(printf '%s\n' tests/scenarios/*.scn | grep -vE '/(M12-4095|N4|C12-order)-')

# mutant NAME FILE SED-SCRIPT
mutant() {
	local name=$1 file=$2 object=$objects/${2%.c}.o
	sed "$3" "$file" >"$dir/$(basename "$file")"
	if cmp -s "$file" "$dir/$(basename "$file")"; then
		judge "$name" 1 "nothing was changed"
		return
	fi
	mapfile -t others < <(find "$objects" -name '*.o' ! -path "$object" \
		\( ! -path '*/bench/*' -o -path '*/bench/sim/*' \))
	if ! "${compile[@]}" -Wno-error -w -I"$(dirname "$file")" -o "$dir/sim" \
		"$dir/$(basename "$file")" "${others[@]}" "${libs[@]}" 2>"$dir/errors"; then
		judge "$name" 1 "it doesn't build: $(head -n 3 "$dir/errors")"
		return
	fi
	"$dir/sim" "${scenarios[@]}" >"$dir/out" 2>&1 &&
		"$dir/sim" --random 500 >"$dir/out" 2>&1
	judge "$name" $(($? == 0)) "$(grep -m 1 '^not ok' "$dir/out" | cut -c1-110)"
}

judge() {
	if (($2 == 0)); then
		passed=$((passed + 1))
		echo "ok     mutant $1: $3"
	else
		failed=$((failed + 1))
		echo "not ok mutant $1 survived: $3"
	fi
}

# Makes a function's body begin with another statement.
early() {
	printf '/^[a-z].*\\b%s(/,/^}/s/^{/{ %s/' "$1" "$2"
}

policy=dom0/policy.c entitle=dom0/entitle.c
mutant nobody_yields $policy "$(early excess 'return 0;')"
mutant nobody_donates $policy "$(early idle_beyond 'return 0;')"
mutant nothing_is_released $policy "$(early release 'return;')"
mutant releases_at_once $policy "$(early has_lasted 'return true;')"
mutant noise_is_urgent $policy "$(early is_urgent 'return true;')"
mutant momentary_wishes $entitle "$(early wish_for_longer 'return;')"
mutant takes_without_a_need $policy 's/periodic && tuning->idle_host/periodic/'
mutant swapping_is_surplus $entitle "$(early cagma_returning 'return 0;')"
mutant traffic_is_shortage $entitle "$(early cagma_returning 'return guest->swap_in_pages >= CAGMA_STEP_PAGES ? guest->target_pages : 0;')"
mutant what_is_firm_is_yielded $policy 's/cagma_firm(tuning, guest)/0/; s/guest->firm_pages)));/0)));/'
mutant what_is_firm_is_shared $entitle "$(early keeps 'return pages;')"
mutant no_shape $policy "$(early shape 'return 0;')"
mutant everybody_is_inflated $policy 's/if (decision->memory.grown)/if (1)/'
mutant nobody_is_capped $policy "$(early cagma_cap 'return;')"
mutant slow_payers_pay_at_once $policy 's/cagma_min(owed(&guests\[i\]),/cagma_max(owed(\&guests[i]), 0 */; s/|| owed(guest) > guest->quick_pages/|| 0/'
mutant nobody_waits $policy "$(early waits 'return false;')"
mutant yields_for_growth_to_come $policy "$(early worth_yielding 'if (!waits(host, guest)) return due(decision);')"
mutant growth_is_sure $entitle "$(early cagma_sure 'return cma_of(tuning, guest, guest->growth_pages);')"
mutant traffic_beside_plenty_is_urgent $entitle "$(early cagma_sure 'return cma_of(tuning, guest, 0);')"
mutant what_was_taken_was_in_vain $policy "$(early note_taken 'return;')"
mutant what_comes_too_late_is_free $policy "$(early gain_of 'return m->most_pages - m->before_pages;')"
mutant what_came_back_is_asked_for_again $policy '/static uint64_t incoming/,/^}/s/cagma_less(guests\[i\].limit_pages,/cagma_less(0,/'
mutant nobody_is_elastic $entitle "$(early cagma_is_elastic 'return false;')"
mutant stuck_is_in_the_pool $entitle 's/g->stuck ?/0 ?/'
mutant entitled_to_all $entitle 's/if (wishes <= pool)/if (1)/'
mutant takes_every_crumb $policy "$(early least_due 'return CAGMA_STEP_PAGES;')"
mutant no_weight $entitle 's/cagma_scale(level, guest->weight,/cagma_scale(level, 1,/'
mutant no_minimum $policy 's/cagma_max(pages, cagma_max(guest->min_pages,/cagma_max(pages, cagma_max(0,/'
mutant no_grace $policy 's/host->up_ns < tuning->grace_ns/0/'
mutant no_reserve $policy 's/cagma_less(host->reserve_pages,/cagma_less(0,/'
mutant no_growth $entitle 's/guests\[i\].growth_pages)/0)/'
mutant nobody_is_prepared $policy "$(early unready 'return 0;')"
mutant prepared_is_surplus $policy 's/readiness(tuning, guest, d)/0/'
mutant no_task $entitle 's/guest->task_pages/0/'
mutant stale_is_known $entitle 's/guest->age_ns <= tuning->stale_ns/1/'
mutant paused_is_known $entitle 's/return !guest->held/return 1/'
mutant asks_in_vain $entitle 's/if (guests\[i\].target_pages + CAGMA_STEP_PAGES <=/if (1 ||/; s/^		    guests\[i\].max_pages)$/		    0)/'
mutant never_stuck dom0/debt.c 's/debt->stuck = true;//'
mutant stuck_for_ever dom0/debt.c 's/debt->stuck = false;//'
mutant a_page_is_progress dom0/debt.c 's/paid < due/!paid/'
mutant plans_meanwhile dom0/foreign.c 's/(f->since_ns \&\& f->held/(0/'
mutant never_taken_over dom0/foreign.c 's/now_ns - f->since_ns < LASTS_NS/1/'
mutant reminds_without_a_record dom0/pass.c 's/note_change(state, guest, old_pages, CAGMA_WHY_REMIND)//'
mutant gives_beyond_entitlements $policy "$(early due 'return decision->unmet_pages;')"
mutant no_offset_is_learnt dom0/offset.c "$(early cagma_offset_begin 'return;') ; $(early learn 'return;')"
mutant large_offsets_are_lies dom0/offset.c 's/ SHARE,/ 1000,/'
mutant zombies_promise dom0/actuate.c 's/if (domain->dying)/if (0)/'
mutant sleepers_promise_nothing dom0/actuate.c 's/if (domain->dying)/if (domain->dying || domain->shut_down)/'
mutant claims_count_twice dom0/actuate.c 's/return cagma_max(pages, domain->claim_pages)/return pages + domain->claim_pages/'
mutant domains_are_known_by_ids dom0/lease.c 's/if (memcmp(key, none, CAGMA_UUID_BYTES))/if (0)/'
mutant impossible_is_believed dom0/track.c "$(early is_possible 'return true;')"
mutant what_goes_back_has_passed dom0/track.c 's|if (after < before) {|if (0) {|'
mutant xenstore_is_told_once dom0/store.c "$(early mirror_again 'return;')"
mutant limits_stay dom0/actuate.c 's/if (limit < guest->facts.limit_pages /if (0 /'
echo "$passed passed, $failed failed, 0 skipped"
((failed == 0 && passed > 0))

#!/usr/bin/env bash
# The program from end to end, as somebody at a terminal uses it. Every check is
# run and counted, also after one has failed.
#
#     bash tests/e2e.sh PATH/TO/cosmosmesh
set -uo pipefail

[ $# -eq 1 ] && [ -x "$1" ] || {
    echo "usage: bash tests/e2e.sh PATH/TO/cosmosmesh" >&2
    exit 2
}
cosmosmesh=$(cd "$(dirname "$1")" && pwd)/$(basename "$1")
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
# Nothing may depend on the directory that it is called from.
mkdir "$tmp/elsewhere"
cd "$tmp/elsewhere" || exit 2

passed=0
failed=0

# check NAME COMMAND...: counts the command's success; shows its output if it
# fails.
check() {
    local name=$1
    shift
    local begin=$SECONDS
    if "$@" >"$tmp/log" 2>&1; then
        passed=$((passed + 1))
        printf 'ok    %s (%d s)\n' "$name" $((SECONDS - begin))
    else
        failed=$((failed + 1))
        printf 'FAIL  %s\n' "$name"
        tail -n 20 "$tmp/log" | sed 's/^/      /'
    fi
}

# field FILE KEY: the first value of that key in a JSON text.
field() {
    grep -o "\"$2\": *[^,}]*" "$1" | head -n 1 | sed "s/^\"$2\": *//; s/^\"//; s/\" *\$//; s/ *\$//"
}

# at_most FILE KEY LIMIT: the number is there and not above the limit.
at_most() {
    local value
    value=$(field "$1" "$2")
    [[ $value =~ ^-?[0-9] ]] || {
        echo "$2 is '$value', not a number"
        return 1
    }
    awk -v v="$value" -v limit="$3" 'BEGIN { exit !(v + 0 <= limit + 0) }' || {
        echo "$2 is $value, above $3"
        return 1
    }
}

# is FILE KEY VALUE: the text of the value is exactly that.
is() {
    local value
    value=$(field "$1" "$2")
    [ "$value" = "$3" ] || {
        echo "$2 is '$value', not '$3'"
        return 1
    }
}

# exits CODE COMMAND...: the command ends with that code.
exits() {
    local wanted=$1 code=0
    shift
    "$@" || code=$?
    [ "$code" -eq "$wanted" ] || {
        echo "exit code $code instead of $wanted"
        return 1
    }
}

# ---------------------------------------------------------------- the laws

check "laws of composition, 10000 cases" \
    exits 0 "$cosmosmesh" laws --cases 10000 --seed 1

# ---------------------------------------------------------------- energy_balance

energy() {
    "$cosmosmesh" run energy_balance --seed 1 --json --check-central --quiet >"$tmp/$1.json"
}
one_object() {
    [ "$(grep -c . "$1")" -gt 0 ] && [ "$(head -c 1 "$1")" = "{" ] &&
        [ "$(tr -d '[:space:]' <"$1" | tail -c 1)" = "}" ]
}
same_digest() {
    local one two
    one=$(field "$tmp/energy_1.json" state_digest)
    two=$(field "$tmp/energy_2.json" state_digest)
    [ -n "$one" ] && [ "$one" = "$two" ] || {
        echo "digests '$one' and '$two'"
        return 1
    }
}
has_fields() {
    local file=$1 key missing=""
    shift
    for key in "$@"; do
        grep -q "\"$key\":" "$file" || missing="$missing $key"
    done
    [ -z "$missing" ] || {
        echo "missing:$missing"
        return 1
    }
}
fields=(scenario method members steps rounds certified_relative_gap
    coupling_violation_max physical_residual_max bound messages bytes_sent
    virtual_time_s wall_time_s peak_rss_bytes state_digest)

check "energy_balance runs" exits 0 energy energy_1
check "energy_balance prints one JSON object" one_object "$tmp/energy_1.json"
check "energy_balance reports every field" \
    has_fields "$tmp/energy_1.json" "${fields[@]}" central_relative_error
check "energy_balance is certified to 1e-4" \
    at_most "$tmp/energy_1.json" certified_relative_gap 1e-4
check "energy_balance is within 1e-4 of the central optimum" \
    at_most "$tmp/energy_1.json" central_relative_error 1e-4
check "energy_balance breaks no contract" \
    is "$tmp/energy_1.json" coupling_violation_max 0
check "energy_balance takes at most 10 rounds" at_most "$tmp/energy_1.json" rounds 10
check "energy_balance runs again" exits 0 energy energy_2
check "the same seed gives the same digest" same_digest

# ---------------------------------------------------------------- replay

logged() {
    "$cosmosmesh" run energy_balance --seed 1 --json --quiet --out "$tmp/logged" \
        >"$tmp/logged.json"
}
# replays MEMBER: its log leads to the digest of the run, in any order of entries.
replays() {
    "$cosmosmesh" log replay "$tmp/logged/logs/$1" --shuffle 10 --json >"$tmp/replay.json" &&
        is "$tmp/replay.json" digests 1 && is "$tmp/replay.json" orders 11 &&
        is "$tmp/replay.json" state_digest "$(field "$tmp/logged.json" state_digest)"
}
# The state as it was at the last closing but one: rounds closed, and no plan.
replays_the_past() {
    local log=$tmp/logged/logs/rover id
    id=$("$cosmosmesh" log show "$log" | awk '/dual_variables/ { was = last; last = $2 } END { print was }')
    "$cosmosmesh" log replay "$log" --at "$id" --json >"$tmp/past.json" &&
        is "$tmp/past.json" agreed false && is "$tmp/replay.json" agreed true
}
check "energy_balance writes every member's log" exits 0 logged
for member in habitat oxygen_plant rover solar_plant; do
    check "the log of $member leads to the digest of the run" replays "$member"
    check "the log of $member verifies" exits 0 "$cosmosmesh" log verify "$tmp/logged/logs/$member"
done
# What was agreed, from the logs alone.
planned() {
    "$cosmosmesh" plan show "$tmp/logged" --json >"$tmp/plan_show.json" &&
        is "$tmp/plan_show.json" plan final &&
        "$cosmosmesh" plan leases "$tmp/logged/logs/rover" --why --json >"$tmp/plan_leases.json" &&
        is "$tmp/plan_leases.json" excess_quanta 0 && has_fields "$tmp/plan_leases.json" why usable_quanta &&
        "$cosmosmesh" plan conflicts "$tmp/logged" --json | grep -q '"conflicts":\[\]'
}
unchanged() {
    "$cosmosmesh" plan diff "$tmp/logged/logs/rover" "$tmp/logged/logs/habitat" --json \
        >"$tmp/plan_diff.json" && is "$tmp/plan_diff.json" churn 0.0 &&
        grep -q '"changes":\[\]' "$tmp/plan_diff.json"
}
# A member that falls silent: what stands is said, and nobody has more than there is.
silent() {
    exits 1 "$cosmosmesh" run energy_balance --silent rover@2 --most-rounds 8 --quiet --json \
        --out "$tmp/silent" >"$tmp/silent.json" 2>"$tmp/silent.err" &&
        grep -q 'without rover: the leases in force stand' "$tmp/silent.err" &&
        is "$tmp/silent.json" agreed false && is "$tmp/silent.json" coupling_violation_max 0 &&
        "$cosmosmesh" plan show "$tmp/silent" | grep -q 'the leases stand'
}
check "leases cover the plan" is "$tmp/logged.json" granted_share 1.0
check "the plan can be looked at" planned
check "two members have the same plan" unchanged
check "a silent member leaves the leases in force" silent
check "a silent member must be there" \
    exits 2 "$cosmosmesh" run energy_balance --silent nobody --quiet
check "one folder is no difference" exits 2 "$cosmosmesh" plan diff "$tmp/logged"
check "a past state can be computed again" replays_the_past
check "the same run finds its logs as they are" exits 0 logged
check "another run does not write over them" \
    exits 2 "$cosmosmesh" run energy_balance --seed 2 --quiet --out "$tmp/logged"
# The contract of a run with other keys, beside this run's log.
other_contract() {
    "$cosmosmesh" run energy_balance --seed 2 --gap 1e-2 --json --quiet --out "$tmp/other" \
        >"$tmp/log.json" || return 1
    cp "$tmp/other/logs/rover/contract.cbor" "$tmp/logged/logs/rover/contract.cbor" || return 1
    exits 2 "$cosmosmesh" log replay "$tmp/logged/logs/rover"
}
check "a log is not read under another contract" other_contract

# ---------------------------------------------------------------- shackleton_relay

relay() {
    "$cosmosmesh" run shackleton_relay --seed 1 --json --quiet \
        --out "$tmp/made/with/parents" >"$tmp/relay.json"
}
results() {
    local out=$tmp/made/with/parents
    ls -l "$out"
    [ -s "$out/report.html" ] && ls "$out"/*.json "$out"/*.csv
}
# A report is one file: nothing in it is loaded from elsewhere.
self_contained() {
    local report=$tmp/made/with/parents/report.html
    [ -s "$report" ] &&
        ! grep -noE '(src|href)="(https?:)?//[^"]*"|@import|url\((https?:)?//' "$report"
}

check "shackleton_relay runs" exits 0 relay
check "shackleton_relay reports every field" has_fields "$tmp/relay.json" "${fields[@]}"
check "shackleton_relay is certified to 1e-4" \
    at_most "$tmp/relay.json" certified_relative_gap 1e-4
check "shackleton_relay breaks no contract" is "$tmp/relay.json" coupling_violation_max 0
check "shackleton_relay takes at most 10 rounds" at_most "$tmp/relay.json" rounds 10
check "shackleton_relay writes report, JSON and CSV" results
check "the report loads nothing from elsewhere" self_contained

# ---------------------------------------------------------------- loss

# With three of ten messages lost, to 1e-3 by true bounds only.
lossy() {
    "$cosmosmesh" run "$1" --seed 1 --loss 0.3 --gap 1e-3 --json --quiet >"$tmp/lossy_$1.json"
}
for scenario in energy_balance shackleton_relay; do
    check "$scenario runs with 30 % loss" exits 0 lossy "$scenario"
    check "$scenario with 30 % loss is certified to 1e-3" \
        at_most "$tmp/lossy_$scenario.json" certified_relative_gap 1e-3
    check "$scenario with 30 % loss takes at most 40 rounds" \
        at_most "$tmp/lossy_$scenario.json" rounds 40
done

# ---------------------------------------------------------------- no plan

# Life support that no array can feed: every asset could live with what it asks
# for, but nobody has it to give.
impossible() {
    sed 's/^power_w = 2000 /power_w = 6500 /' "$root/scenarios/energy_balance.toml" \
        >"$tmp/impossible.toml"
    ! cmp -s "$tmp/impossible.toml" "$root/scenarios/energy_balance.toml" || {
        echo "the edit changes nothing"
        return 1
    }
    ! "$cosmosmesh" run "$tmp/impossible.toml" --seed 1 --quiet >"$tmp/said" 2>&1 || {
        echo "it found a plan"
        return 1
    }
    cat "$tmp/said"
    grep -q 'power_bus' "$tmp/said" || {
        echo "the contract is not named"
        return 1
    }
}
check "an impossible plan is an error that names the contract" impossible

# ---------------------------------------------------------------- contacts

cat >"$tmp/plan.ion" <<'PLAN'
a contact +0 +600 1 2 125000
a range +0 +600 1 2 1
PLAN
convert() {
    "$cosmosmesh" contacts convert "$tmp/plan.ion" "$tmp/plan.json" --to hdtn &&
        grep -q '"rateBitsPerSec": *1000000' "$tmp/plan.json"
}
check "contacts show" exits 0 "$cosmosmesh" contacts show "$tmp/plan.ion" --json
check "contacts convert turns bytes/s into bit/s" convert
check "contacts windows" exits 0 "$cosmosmesh" contacts windows \
    --from moon@-89.45,222.7,mask=5 --to dsn \
    --start 2026-11-01T00:00:00Z --end 2026-11-03T00:00:00Z --json

# ---------------------------------------------------------------- bad input

# refuses NAME EDIT MESSAGE: energy_balance, edited by sed, is refused with exit
# code 2, a line and a message that matches, and nothing is written.
refuses() {
    sed "$2" "$root/scenarios/energy_balance.toml" >"$tmp/bad.toml"
    check "refuses $1" refused "$3"
}
refused() {
    ! cmp -s "$tmp/bad.toml" "$root/scenarios/energy_balance.toml" || {
        echo "the edit changes nothing"
        return 1
    }
    local code=0
    "$cosmosmesh" run "$tmp/bad.toml" --quiet --out "$tmp/never" >"$tmp/said" 2>&1 || code=$?
    cat "$tmp/said"
    [ "$code" -eq 2 ] || {
        echo "exit code $code instead of 2"
        return 1
    }
    [ ! -e "$tmp/never" ] || {
        echo "something was written"
        return 1
    }
    grep -Eq '[.]toml:[0-9]+:[0-9]+' "$tmp/said" || {
        echo "the error names no line"
        return 1
    }
    tr -s '[:space:]' ' ' <"$tmp/said" | grep -q "$1" || {
        echo "the error does not say '$1'"
        return 1
    }
}

refuses "what is no TOML" '1s/.*/this is no scenario/' 'correct the TOML'
refuses "an unknown field" 's/^horizon_h = 24/&\ncolour = "red"/' 'colour'
refuses "a number that is not finite" 's/^horizon_h = 24/horizon_h = inf/' 'finite'
refuses "a grid that does not add up" 's/^horizon_h = 24/horizon_h = 25/' '25'
refuses "an absurd size" 's/count = 24, step_s = 3600/count = 4000000, step_s = 60/' '4000000 steps'
refuses "a unit that does not fit" 's/^unit = "kW"/unit = "min"/' 'unit clash'
refuses "a member that is not there" 's/^members = \["rover"/members = ["rovr"/' 'rovr'
check "refuses an unknown scenario" \
    exits 2 "$cosmosmesh" run no_such_scenario --quiet --out "$tmp/never"
check "wrote nothing for what it refused" test ! -e "$tmp/never"

# ---------------------------------------------------------------- benchmark

check "bench rounds, quick" exits 0 "$cosmosmesh" bench rounds --quick --json

echo "e2e: $passed passed, $failed failed"
[ "$failed" -eq 0 ]

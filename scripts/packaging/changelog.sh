#!/usr/bin/env bash
# Writes the changelog of packages (the form nfpm reads) from CHANGELOG.md:
#
#   changelog.sh VERSION SECONDS MAINTAINER
#
# Versions without a date get that of the build.
set -euo pipefail
# shellcheck source=scripts/lib.sh
. "$(dirname "$0")/../lib.sh"

awk -v version="$1" -v date="$(date -u -d "@$2" +%Y-%m-%dT%H:%M:%SZ)" -v maintainer="$3" '
function flush() {
	if (item != "") {
		gsub(/[`\\"]/, "", item)
		printf "    - note: \"%s\"\n", item
	}
	item = ""
}
/^## / {
	flush()
	number = match($0, /[0-9]+\.[0-9]+\.[0-9]+/) ? substr($0, RSTART, RLENGTH) : version
	day = match($0, /[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9]/) ? substr($0, RSTART, RLENGTH) "T00:00:00Z" : date
	printf "- semver: %s\n  date: %s\n  packager: %s\n  deb:\n    urgency: medium\n    distributions: [stable]\n  changes:\n", number, day, maintainer
	inside = 1
	next
}
/^- / && inside { flush(); item = substr($0, 3); next }
/^  [^ ]/ && item != "" { item = item " " substr($0, 3); next }
{ flush() }
END { flush() }
' "$root/CHANGELOG.md"

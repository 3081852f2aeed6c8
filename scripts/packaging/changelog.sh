#!/usr/bin/env bash
# Writes the changelog of packages from CHANGELOG.md, as a file of Debian or in the form nfpm reads for rpm:
#
#   changelog.sh deb|rpm VERSION RELEASE SECONDS MAINTAINER
#
# Versions without a date get that of the build.
set -euo pipefail
# shellcheck source=scripts/lib.sh
. "$(dirname "$0")/../lib.sh"

awk -v form="$1" -v version="$2" -v release="$3" -v date="$(date -u -d "@$4" +%Y-%m-%d)" -v maintainer="$5" '
function begin_version() {
	if (form == "deb")
		printf "amazon-ecs-init (%s-%s) stable; urgency=medium\n\n", number, release
	else
		printf "- semver: %s\n  date: %sT00:00:00Z\n  packager: %s\n  changes:\n", number, day, maintainer
}
function end_version(	command, stamp) {
	flush()
	if (inside && form == "deb") {
		command = "LC_ALL=C date -u -R -d " day
		command | getline stamp
		close(command)
		printf "\n -- %s  %s\n\n", maintainer, stamp
	}
}
function flush(	words, count, i, line, folded, next_line) {
	if (item != "") {
		gsub(/[`\\"]/, "", item)
		next_line = form == "deb" ? "\n    " : "\\n  "
		count = split(item, words, / +/)
		for (i = 1; i <= count; i++) {
			if (line != "" && length(line) + length(words[i]) > 72) {
				folded = folded line next_line
				line = ""
			}
			line = line (line == "" ? "" : " ") words[i]
		}
		printf form == "deb" ? "  * %s\n" : "    - note: \"%s\"\n", folded line
	}
	item = ""
}
/^## / {
	end_version()
	number = match($0, /[0-9]+\.[0-9]+\.[0-9]+/) ? substr($0, RSTART, RLENGTH) : version
	day = match($0, /[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9]/) ? substr($0, RSTART, RLENGTH) : date
	inside = 1
	begin_version()
	next
}
/^- / && inside { flush(); item = substr($0, 3); next }
/^  [^ ]/ && item != "" { item = item " " substr($0, 3); next }
{ flush() }
END { end_version() }
' "$root/CHANGELOG.md"

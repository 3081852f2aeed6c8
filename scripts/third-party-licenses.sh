#!/usr/bin/env bash
# Writes the licenses of all modules that are compiled into programs, with the Go standard library's, to standard output:
#
#   third-party-licenses.sh [PACKAGE...]     default ./agent
set -euo pipefail
. "$(dirname "$0")/lib.sh"
cd "$root"

rule() { printf '\n%80s\n\n' '' | tr ' ' =; }

# license_of TITLE DIRECTORY
license_of() {
	local found=() file
	for file in "$2"/*; do
		case $(basename "$file" | tr '[:upper:]' '[:lower:]') in
		license* | licence* | copying* | notice* | patents*) [ -f "$file" ] && found+=("$file") ;;
		esac
	done
	[ ${#found[@]} -gt 0 ] || die "no license file in module $1"
	rule
	printf '%s\n' "$1"
	for file in "${found[@]}"; do
		printf '\n'
		cat "$file"
	done
}

printf 'This program contains software of others. Their licenses follow.\n'
license_of "The Go standard library, $(go env GOVERSION)" "$(go env GOROOT)"
go list -deps -f '{{with .Module}}{{if not .Main}}{{.Path}} {{.Version}} {{.Dir}}{{end}}{{end}}' "${@:-./agent}" | sort -u |
	while read -r path version dir; do
		license_of "$path $version" "$dir"
	done

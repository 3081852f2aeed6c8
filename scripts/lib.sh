# Shell functions of the scripts beside this file. Source it: . "$(dirname "$0")/lib.sh"
# shellcheck shell=bash

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
# shellcheck disable=SC2034 # used by those who source this
out=$root/out

say() { printf '==> %s\n' "$*" >&2; }

die() {
	printf '%s: %s\n' "$(basename "$0")" "$*" >&2
	exit 1
}

# as_root COMMAND... runs it as root, through sudo when necessary.
as_root() {
	if [ "$(id -u)" = 0 ]; then
		"$@"
	elif command -v sudo >/dev/null; then
		sudo "$@"
	else
		die "this needs root and there is no sudo: $*"
	fi
}

# need_packages PACKAGE... installs Debian packages. Callers ask first whether the command they want is missing.
need_packages() {
	command -v apt-get >/dev/null || die "install with this system's package manager: $*"
	say "installing Debian packages: $*"
	if ! apt-get install --simulate --no-install-recommends "$@" >/dev/null 2>&1; then
		as_root apt-get update -qq >&2
	fi
	as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@" >&2
}

# wait_for SECONDS COMMAND... tries the command until it succeeds.
wait_for() {
	local deadline=$((SECONDS + $1))
	shift
	until "$@" >/dev/null 2>&1; do
		[ "$SECONDS" -lt "$deadline" ] || return 1
		sleep 0.1
	done
}

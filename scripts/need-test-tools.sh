#!/usr/bin/env bash
# Makes sure that the tests with Docker find the programs they use: one to make images of, a registry, and those of the host that
# ecs-init runs; with the argument "browser", that the tests of the status page find theirs.
set -euo pipefail
. "$(dirname "$0")/lib.sh"

export PATH=$PATH:/usr/sbin:/sbin
packages=()
if [ "${1:-}" = browser ]; then
	command -v chromium >/dev/null || command -v chromium-browser >/dev/null || command -v google-chrome >/dev/null || need_packages chromium
	exit
fi
want() { # want COMMAND PACKAGE
	command -v "$1" >/dev/null || packages+=("$2")
}
[ -x /bin/busybox ] || packages+=(busybox-static)
want ip iproute2
want iptables iptables
want sysctl procps
want unshare util-linux
want gpg gpg
want gpgv gpgv
want docker-registry docker-registry
[ ${#packages[@]} = 0 ] || need_packages "${packages[@]}"
# The tests start registries of their own; the one that comes with the package is not to run on this machine.
if [[ " ${packages[*]} " == *" docker-registry "* ]] && [ -d /run/systemd/system ]; then
	as_root systemctl disable --now docker-registry >/dev/null 2>&1 || true
fi

#!/usr/bin/env bash
# Makes sure that the integration tests find the programs they use: one to make images of, and those of the host that ecs-init runs;
# with the argument "browser", that the tests of the status page find theirs.
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
[ ${#packages[@]} = 0 ] || need_packages "${packages[@]}"

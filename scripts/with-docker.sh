#!/usr/bin/env bash
# Runs a command with a Docker engine at hand:
#
#   with-docker.sh COMMAND...
#
# An engine that answers is used and nothing is touched. Otherwise Docker is installed (Debian package docker.io) and
# started; an engine started here ends with the command.
set -euo pipefail
. "$(dirname "$0")/lib.sh"

answers() { docker version >/dev/null 2>&1; }

if ! command -v docker >/dev/null; then
	packages=(docker.io iptables ca-certificates)
	apt-cache show docker-cli >/dev/null 2>&1 && packages+=(docker-cli) # a package of its own since Debian 13
	need_packages "${packages[@]}"
fi
answers && exec "$@"

[ -z "${DOCKER_HOST:-}" ] || die "no Docker engine answers at DOCKER_HOST=$DOCKER_HOST; start it or unset DOCKER_HOST"

# As a member of the engine's group the same user may talk to it.
if [ "$(id -u)" != 0 ] && [ -S /var/run/docker.sock ] && command -v sudo >/dev/null; then
	group=$(stat -c %G /var/run/docker.sock)
	if sudo -u "$(id -un)" -g "$group" docker version >/dev/null 2>&1; then
		say "using the Docker engine as a member of group $group (sudo)"
		exec sudo -u "$(id -un)" -g "$group" env "PATH=$PATH" "HOME=$HOME" "$@"
	fi
fi

command -v dockerd >/dev/null || need_packages docker.io iptables
if [ -d /run/systemd/system ]; then
	say "starting the Docker service"
	as_root systemctl start docker
	wait_for 60 as_root docker version || die "the Docker service does not answer; see: journalctl -u docker"
	exec "$0" "$@"
fi

mkdir -p "$out"
say "starting a Docker engine for this command (log: out/dockerd.log)"
if [ "$(id -u)" = 0 ]; then
	dockerd >"$out/dockerd.log" 2>&1 &
else
	sudo -b sh -c 'exec dockerd --group "$1" >"$2" 2>&1' dockerd "$(id -gn)" "$out/dockerd.log"
fi
stop_engine() {
	as_root sh -c 'kill "$(cat /var/run/docker.pid)"' 2>/dev/null || return 0
	wait_for 30 sh -c '! [ -e /var/run/docker.pid ]' || say "the Docker engine has not ended yet"
}
trap stop_engine EXIT
wait_for 60 answers || die "the Docker engine does not start; its last words: $(tail -n 3 "$out/dockerd.log")"
# Signals from the terminal reach the command by themselves; the engine has to outlive it.
trap : INT TERM
code=0
"$@" || code=$?
exit "$code"

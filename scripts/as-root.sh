#!/usr/bin/env bash
# Runs a program as root; `go test -exec` calls it for tests that make namespaces and mounts.
set -euo pipefail
. "$(dirname "$0")/lib.sh"

[ "$(id -u)" != 0 ] || exec "$@"
# Some of these tests build a program themselves: with the modules of this user, and a build cache of root's own.
as_root env "PATH=$PATH" "GOMODCACHE=$(go env GOMODCACHE)" ${DOCKER_HOST:+"DOCKER_HOST=$DOCKER_HOST"} "$@"

#!/usr/bin/env bash
# Runs a go command inside BUILDER_IMAGE, an image with Go, on this working tree:
#
#   BUILDER_IMAGE=golang:1.26 in-builder.sh go build ...
#
# Caches are kept in out/builder. The settings of the Go module proxy and HTTP proxies are passed on.
set -euo pipefail
. "$(dirname "$0")/lib.sh"
[ -n "${BUILDER_IMAGE:-}" ] || die "BUILDER_IMAGE is not set"

mkdir -p "$out/builder/cache" "$out/builder/mod"
options=(--rm --user "$(id -u):$(id -g)" --volume "$root:$root" --workdir "$root" --network host
	--env "GOCACHE=$out/builder/cache" --env "GOMODCACHE=$out/builder/mod" --env GOFLAGS=-modcacherw --env HOME=/tmp --env CGO_ENABLED=0)
for name in GOPROXY GOSUMDB GONOSUMDB GOPRIVATE http_proxy https_proxy no_proxy HTTP_PROXY HTTPS_PROXY NO_PROXY; do
	[ -z "${!name:-}" ] || options+=(--env "$name")
done
exec "$root/scripts/with-docker.sh" docker run "${options[@]}" --entrypoint "$1" "$BUILDER_IMAGE" "${@:2}"

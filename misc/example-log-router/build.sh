#!/bin/sh
# Builds the image of the example log router from scratch: the static binary and nothing else. No registry is asked.
#
#   build.sh [IMAGE]        default amazon/ecs-example-log-router:latest; DOCKER_HOST as usual
set -eu

image=${1:-amazon/ecs-example-log-router:latest}
cd "$(dirname "$0")"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

arch=$(docker version --format '{{.Server.Arch}}') || {
	echo "build.sh: no Docker engine answers; start it, or set DOCKER_HOST" >&2
	exit 1
}
CGO_ENABLED=0 GOOS=linux GOARCH=$arch go build -trimpath -ldflags '-s -w' -o "$work/example-log-router" .
# Fixed owner and times: the same binary gives the same layer.
tar -C "$work" --owner=0 --group=0 --mtime=@0 -cf - example-log-router |
	docker import \
		--change 'ENTRYPOINT ["/example-log-router"]' \
		--change 'LABEL org.opencontainers.image.title=ecs-example-log-router' \
		--message 'example log router' \
		- "$image" >/dev/null
echo "$image"

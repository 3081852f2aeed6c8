#!/bin/sh
# Builds the example image from scratch: the static example-web binary and nothing else. No registry is asked, and no
# builder is needed: the image is imported from a tar of one file.
#
#   build.sh [IMAGE]        default amazon/ecs-example-web:latest; DOCKER_HOST as usual
set -eu

image=${1:-amazon/ecs-example-web:latest}
cd "$(dirname "$0")"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

arch=$(docker version --format '{{.Server.Arch}}') || {
	echo "build.sh: no Docker engine answers; start it, or set DOCKER_HOST" >&2
	exit 1
}
CGO_ENABLED=0 GOOS=linux GOARCH=$arch go build -trimpath -ldflags '-s -w' -o "$work/example-web" .
# Fixed owner and times: the same binary gives the same layer.
tar -C "$work" --owner=0 --group=0 --mtime=@0 -cf - example-web |
	docker import \
		--change 'ENTRYPOINT ["/example-web"]' \
		--change 'EXPOSE 8080' \
		--change 'USER 65532:65532' \
		--change 'LABEL org.opencontainers.image.title=ecs-example-web' \
		--message 'example web server' \
		- "$image" >/dev/null
echo "$image"

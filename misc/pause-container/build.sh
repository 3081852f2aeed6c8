#!/usr/bin/env bash
# Builds the image of pause containers and writes it to a file that `docker load` takes: a few kilobytes, from scratch, the
# same bytes for the same compiler.
#
#   build.sh [FILE]     default out/amazon-ecs-pause.tar
#
#   ARCH   amd64 (x86_64) or arm64 (aarch64); default: this machine's
#   CC     the C compiler for ARCH; default: gcc, or <triple>-gcc for the other architecture
set -euo pipefail

image=amazon/amazon-ecs-pause
tag=0.1.0

here=$(cd "$(dirname "$0")" && pwd)
file=${1:-$(cd "$here/../.." && pwd)/out/amazon-ecs-pause.tar}
case ${ARCH:=$(uname -m)} in
amd64 | x86_64) arch=amd64 triple=x86_64-linux-gnu ;;
arm64 | aarch64) arch=arm64 triple=aarch64-linux-gnu ;;
*)
	echo "build.sh: no pause program for the architecture $ARCH; amd64 and arm64 are known" >&2
	exit 1
	;;
esac
if [ -z "${CC:-}" ]; then
	CC=gcc
	[ "$(uname -m)" = "${triple%%-*}" ] || CC=$triple-gcc
fi
command -v "$CC" >/dev/null || {
	echo "build.sh: no C compiler \"$CC\"; install one (Debian: gcc, or gcc-$triple to build for $arch elsewhere) or set CC" >&2
	exit 1
}

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir -p "$work/layer" "$work/image/rootfs" "$(dirname "$file")"

"$CC" -Os -Wall -Wextra -Werror -ffreestanding -fno-builtin -fno-stack-protector -fno-asynchronous-unwind-tables -fno-pic \
	-nostdlib -static -no-pie -s -Wl,--build-id=none -Wl,-z,noseparate-code -Wl,-z,noexecstack -o "$work/layer/pause" "$here/pause.c"
chmod 0755 "$work/layer/pause"

# Fixed order, owner and times: the same program gives the same layer.
pack() { # pack FILE DIRECTORY MEMBER...
	local to=$1 from=$2
	shift 2
	tar -C "$from" --format=ustar --sort=name --owner=0 --group=0 --numeric-owner --mtime=@0 -cf "$to" "$@"
}
pack "$work/image/rootfs/layer.tar" "$work/layer" pause
layer=$(sha256sum <"$work/image/rootfs/layer.tar")
printf '1.0' >"$work/image/rootfs/VERSION"
printf '{"created":"1970-01-01T00:00:00Z","architecture":"%s","os":"linux","config":{"Cmd":["/pause"]},"rootfs":{"type":"layers","diff_ids":["sha256:%s"]}}' \
	"$arch" "${layer%% *}" >"$work/image/config.json"
printf '[{"Config":"config.json","RepoTags":["%s:%s"],"Layers":["rootfs/layer.tar"]}]' "$image" "$tag" >"$work/image/manifest.json"
printf '{"%s":{"%s":"rootfs"}}' "$image" "$tag" >"$work/image/repositories"
chmod 0644 "$work"/image/*.json "$work/image/repositories" "$work"/image/rootfs/*
pack "$file" "$work/image" config.json manifest.json repositories rootfs
echo "$image:$tag, $arch: $file, $(wc -c <"$work/layer/pause") bytes of program"

#!/usr/bin/env bash
# Puts everything that belongs into the agent's image into a directory: the binary, CNI plugins, CA certificates, license files, the pause image.
#
#   stage-image.sh [DIRECTORY]     default out/image
#
#   ARCH      amd64 or arm64; default: this machine's
#   AGENT     the binary for ARCH; default out/amazon-ecs-agent
#   PLUGINS   directory with the CNI plugins for ARCH; default out/cni-plugins
set -euo pipefail
. "$(dirname "$0")/lib.sh"

bundles=(/etc/ssl/certs/ca-certificates.crt /etc/pki/tls/certs/ca-bundle.crt /etc/ssl/ca-bundle.pem /etc/pki/tls/cacert.pem
	/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem /etc/ssl/cert.pem)
bundle() {
	local file
	for file in "${bundles[@]}"; do
		[ -s "$file" ] && printf '%s' "$file" && return
	done
	return 1
}
certificates=$(bundle) || {
	need_packages ca-certificates
	certificates=$(bundle)
}

stage=${1:-$out/image}
agent=${AGENT:-$out/amazon-ecs-agent}
plugins=${PLUGINS:-$out/cni-plugins}
arch=${ARCH:-$(go env GOHOSTARCH)}
rm -rf "$stage"
mkdir -p "$stage/etc/ssl/certs"
cp "$agent" "$stage/agent"
cp -d --recursive "$plugins" "$stage/amazon-ecs-cni-plugins" # one program, and links to it
cp "$certificates" "$stage/etc/ssl/certs/ca-certificates.crt"
cp "$root/LICENSE" "$root/NOTICE" "$stage/"
"$root/scripts/third-party-licenses.sh" ./agent ./misc/cni-plugins >"$stage/THIRD-PARTY"
# Loaded by the agent at its start, for tasks that share namespaces.
if [ "$arch" = "$(go env GOHOSTARCH)" ]; then
	command -v "${CC:-gcc}" >/dev/null || need_packages gcc
elif [ -z "${CC:-}" ]; then
	triple=$([ "$arch" = arm64 ] && echo aarch64-linux-gnu || echo x86_64-linux-gnu)
	command -v "$triple-gcc" >/dev/null || need_packages "gcc-${triple/_/-}"
fi
ARCH=$arch "$root/misc/pause-container/build.sh" "$stage/images/amazon-ecs-pause.tar" >/dev/null
chmod 0755 "$stage/agent" "$stage"/amazon-ecs-cni-plugins/*
chmod 0644 "$stage"/LICENSE "$stage"/NOTICE "$stage"/THIRD-PARTY "$stage/etc/ssl/certs/ca-certificates.crt"

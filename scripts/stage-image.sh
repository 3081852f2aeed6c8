#!/usr/bin/env bash
# Puts everything that belongs into the agent's image into out/image: the binary, the CNI plugins, CA certificates, license files, the
# pause image.
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

stage=$out/image
rm -rf "$stage"
mkdir -p "$stage/etc/ssl/certs"
cp "$out/amazon-ecs-agent" "$stage/agent"
cp "$certificates" "$stage/etc/ssl/certs/ca-certificates.crt"
cp "$root/LICENSE" "$root/NOTICE" "$stage/"
"$root/scripts/third-party-licenses.sh" ./agent ./misc/cni-plugins >"$stage/THIRD-PARTY"
cp -R "$out/cni-plugins" "$stage/amazon-ecs-cni-plugins" # one program; the other names are links
# Loaded by the agent at its start, for tasks that share namespaces.
command -v "${CC:-gcc}" >/dev/null || need_packages gcc
"$root/misc/pause-container/build.sh" "$stage/images/amazon-ecs-pause.tar" >/dev/null
chmod 0755 "$stage/agent"
chmod 0644 "$stage"/LICENSE "$stage"/NOTICE "$stage"/THIRD-PARTY "$stage/etc/ssl/certs/ca-certificates.crt"

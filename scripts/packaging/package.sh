#!/usr/bin/env bash
# Builds one package into out/:
#
#   package.sh deb|rpm|amazon-linux|image amd64|arm64
#
# `image` writes the agent's image alone, as it is published: ecs-agent-v<version>.tar with checksums. From the environment:
# GO (default go), VERSION, REVISION, DIRTY, AGENT_LDFLAGS; CNI_PLUGINS, the names of the plugins, and CNI_LDFLAGS; RELEASE
# (default 1), DIST (default .amzn2023), MAINTAINER, VENDOR; SIGN_KEY, a GnuPG key to sign the results with.
set -euo pipefail
# shellcheck source=scripts/lib.sh
. "$(dirname "$0")/../lib.sh"
cd "$root"

format=$1
arch=$2
go=${GO:-go}
release=${RELEASE:-1}
dist=${DIST-.amzn2023}
maintainer=${MAINTAINER:-Amazon Web Services <ecs-agent-external@amazon.com>}
vendor=${VENDOR:-Amazon Web Services}
version=${VERSION:-$(cat VERSION)}
revision=${REVISION:-unknown}
read -ra plugins <<<"${CNI_PLUGINS:?}"
epoch=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct 2>/dev/null || date +%s)}

case $arch in
amd64) machine=x86_64 tar_name=ecs-agent-v$version.tar ;;
arm64) machine=aarch64 tar_name=ecs-agent-arm64-v$version.tar ;;
*) die "unknown architecture $arch; use amd64 or arm64" ;;
esac

work=$out/package/$format-$arch
rm -rf "$work"
mkdir -p "$work"

build() { # build FILE PACKAGE LDFLAGS
	env CGO_ENABLED=0 GOOS=linux GOARCH="$arch" "$go" build -trimpath -buildvcs=false -ldflags "$3" -o "$1" "$2"
}

say "image of the agent $version for $arch"
build "$work/agent" ./agent "${AGENT_LDFLAGS:--s -w}"
build "$work/cni-plugins/${plugins[0]}" ./misc/cni-plugins "${CNI_LDFLAGS:--s -w}"
for name in "${plugins[@]:1}"; do
	ln -s "${plugins[0]}" "$work/cni-plugins/$name"
done
AGENT=$work/agent PLUGINS=$work/cni-plugins ARCH=$arch scripts/stage-image.sh "$work/root"
"$go" run ./scripts/packaging/imagetar -root "$work/root" -arch "$arch" -created "$epoch" -o "$work/ecs-agent.tar"

sign() {
	[ -z "${SIGN_KEY:-}" ] || gpg --batch --yes --local-user "$SIGN_KEY" --armor --detach-sign "$1"
}

size() { say "$1: $(du -h "$1" | cut -f1)"; }

if [ "$format" = image ]; then
	cp "$work/ecs-agent.tar" "$out/$tar_name"
	(
		cd "$out"
		md5sum "$tar_name" | cut -d' ' -f1 >"$tar_name.md5"
		sha256sum "$tar_name" | cut -d' ' -f1 >"$tar_name.sha256"
		printf '{"agentVersion":"v%s"}\n' "$version" >"$tar_name.json"
	)
	sign "$out/$tar_name"
	size "$out/$tar_name"
	exit
fi

say "programs for $arch"
stamp=github.com/aws/amazon-ecs-agent/ecs-init/release
ldflags="-s -w -X $stamp.Version=$version -X $stamp.Revision=$revision -X $stamp.Dirty=${DIRTY:-true}"
build "$work/amazon-ecs-init" ./ecs-init "$ldflags"
build "$work/amazon-ecs-volume-plugin" ./ecs-init/volume-plugin "$ldflags"

fill() { # fill TEMPLATE FILE: puts values in the place of @WORDS@
	sed -e "s|@GOARCH@|$arch|g" -e "s|@VERSION@|$version|g" -e "s|@RELEASE@|$release|g" -e "s|@DIST@|$dist|g" -e "s|@MAINTAINER@|$maintainer|g" \
		-e "s|@VENDOR@|$vendor|g" -e "s|@WORK@|$work|g" -e "s|@DATE@|$(date -u -d "@$epoch" "+${3:-%Y-%m-%dT%H:%M:%SZ}")|g" \
		-e "s|@PROVIDES@|$(provides)|g" "$1" >"$2"
}

# Modules compiled into the programs, in the notation of rpm.
provides() {
	local list
	list=$("$go" list -deps -f '{{with .Module}}{{if not .Main}}"bundled(golang({{.Path}}))"{{end}}{{end}}' ./ecs-init ./ecs-init/volume-plugin ./agent | sort -u | paste -sd, -)
	printf '[%s]' "$list"
}

fill scripts/packaging/amazon-ecs-init.1 "$work/amazon-ecs-init.1" %Y-%m-%d
gzip -9n "$work/amazon-ecs-init.1"
# The licenses of everything inside: the agent in its image, too.
scripts/third-party-licenses.sh ./ecs-init >"$work/THIRD-PARTY"
gzip -9nk "$work/THIRD-PARTY"
fill scripts/packaging/rpm/post "$work/post"
scripts/packaging/changelog.sh rpm "$version" "$release" "$epoch" "$maintainer" >"$work/changelog.yaml"
scripts/packaging/changelog.sh deb "$version" "$release" "$epoch" "$maintainer" | gzip -9n >"$work/changelog.Debian.gz"
{
	printf 'Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/\nUpstream-Name: amazon-ecs-agent\nSource: https://github.com/aws/amazon-ecs-agent\n\n'
	printf 'Files: *\nCopyright: 2014-%s Amazon.com, Inc. or its affiliates\nLicense: Apache-2.0\n' "$(date -u -d "@$epoch" +%Y)"
	printf 'Comment: Licenses of compiled-in modules are in THIRD-PARTY.gz beside this file.\n\n'
	printf 'License: Apache-2.0\n On Debian systems the full text is in /usr/share/common-licenses/Apache-2.0.\n'
} >"$work/copyright"

fill "scripts/packaging/$format.yaml" "$work/nfpm.yaml"
case $format in
deb) packager=deb file=amazon-ecs-init-$version-$release.$arch.deb ;;
rpm) packager=rpm file=amazon-ecs-init-$version-$release.$machine.rpm ;;
amazon-linux) packager=rpm file=ecs-init-$version-$release$dist.$machine.rpm ;;
esac
"$go" tool -modfile=misc/tools/go.mod nfpm package --config "$work/nfpm.yaml" --packager "$packager" --target "$out/$file"
sign "$out/$file"
size "$out/$file"

#!/usr/bin/env bash
# Makes sure that a Go toolchain new enough for go.mod can be found, with a C compiler for the race detector when asked:
#
#   need-go.sh [--race]
#
# A suitable `go` in PATH is used as it is. Otherwise the toolchain goes to out/go, where the Makefile looks first. It comes
# from the Go module proxy (module golang.org/toolchain), fetched by whatever older Go there is; Debian's is installed for it.
set -euo pipefail
. "$(dirname "$0")/lib.sh"

want=$(sed -n 's/^go //p' "$root/go.mod")

suitable() { # suitable GO: is it new enough, or can it fetch one that is (Go 1.21 and later do so by themselves)?
	local version
	version=$(cd "$root" && "$1" env GOVERSION 2>/dev/null) || return 1
	printf '%s\n%s\n' "go$want" "$version" | sort -V -C
}

export PATH="$out/go/bin:$PATH"
if ! suitable go; then
	command -v go >/dev/null || need_packages golang-go ca-certificates
	platform=$(go env GOOS)-$(go env GOARCH)
	module=golang.org/toolchain@v0.0.1-go$want.$platform
	say "fetching Go $want to out/go"
	mkdir -p "$out"
	elsewhere=$(mktemp -d) # an old Go does not understand this go.mod
	fetched=$(cd "$elsewhere" && GO111MODULE=on GOFLAGS=-modcacherw GOMODCACHE="$out/toolchain" go mod download -json "$module" | sed -n 's/^\t"Dir": "\(.*\)",*$/\1/p')
	rmdir "$elsewhere"
	[ -n "$fetched" ] || die "could not fetch $module; install Go $want or newer (https://go.dev/dl) and put it in PATH"
	rm -rf "$out/go"
	mv "$fetched" "$out/go"
	rm -rf "$out/toolchain"
	# Module archives carry no file modes, and no go.mod files below their root.
	find "$out/go" -name _go.mod -execdir mv {} go.mod \;
	chmod -R u+w "$out/go"
	chmod +x "$out"/go/bin/* "$out"/go/pkg/tool/*/*
	suitable go || die "the Go toolchain in out/go does not work: $(go version 2>&1)"
fi

if [ "${1:-}" = --race ] && ! command -v "$(go env CC)" >/dev/null; then
	need_packages gcc libc6-dev
fi

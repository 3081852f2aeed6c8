#!/usr/bin/env bash
# Everything a machine can say about the code without running it. Goes on after a finding and fails at the end.
set -uo pipefail
. "$(dirname "$0")/lib.sh"
cd "$root" || exit 1

failed=0
check() { # check NAME COMMAND...
	say "$1"
	shift
	"$@" || failed=1
}

formatted() {
	local files
	files=$(git ls-files -z --cached --others --exclude-standard '*.go' | xargs -0r gofmt -l)
	[ -z "$files" ] || { printf 'not formatted:\n%s\n' "$files"; return 1; }
}

in_dir() { (cd "$1" && "${@:2}"); }

check gofmt formatted
check 'go vet' go vet -tags integration,e2e ./...
check staticcheck go tool staticcheck -tags integration,e2e ./...
for module in misc/clients misc/browser; do
	check "$module: go vet" go -C "$module" vet -tags integration ./...
	check "$module: staticcheck" in_dir "$module" "$(go tool -n staticcheck)" -tags integration ./...
done
check 'build for Windows' env GOOS=windows go build -o /dev/null ./agent
check 'build for arm64' env GOARCH=arm64 go build ./...
if command -v shellcheck >/dev/null; then
	check shellcheck shellcheck --external-sources --source-path=SCRIPTDIR --severity=warning scripts/*.sh scripts/packaging/*.sh .ci/run misc/*/build.sh
	check 'shellcheck of package scripts' shellcheck --shell=sh --severity=warning scripts/packaging/deb/{postinst,prerm,postrm} scripts/packaging/rpm/*
else
	say 'shellcheck is not installed: scripts are not checked'
fi
exit $failed

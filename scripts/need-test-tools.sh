#!/usr/bin/env bash
# Makes sure that the integration tests find the program they make their images of.
set -euo pipefail
. "$(dirname "$0")/lib.sh"

[ -x /bin/busybox ] || need_packages busybox-static

#!/usr/bin/env bash
# Tests the packages in out/ (amd64 or arm64, whatever this machine is) as a user meets them: on a fresh Debian with its own systemd and
# Docker engine, with local-ecs as the control plane, from the installation to the purge. Needs root, and Debian's mirror for the system.
#
#   test.sh [DIRECTORY]     a system made by an earlier run, or where to keep it for the next one; default: a temporary one
#
# PACKAGE builds a package as package.sh does, for the upgrade.
set -euo pipefail
# shellcheck source=scripts/lib.sh
. "$(dirname "$0")/../lib.sh"
cd "$root"
export PATH=$PATH:/usr/sbin:/sbin

version=$(cat VERSION)
arch=$(dpkg --print-architecture)
deb=amazon-ecs-init-$version-1.$arch.deb
newer=amazon-ecs-init-$version-2.$arch.deb

packages=()
for need in debootstrap lintian rpm rpmlint curl; do
	command -v "$need" >/dev/null || packages+=("$need")
done
[ ${#packages[@]} = 0 ] || need_packages "${packages[@]}"
[ "$(id -u)" = 0 ] || die "needs root"

work=$(mktemp -d)
host=
leave() {
	[ -z "$host" ] || { kill "$host" && wait "$host"; } || true
	rm -rf --one-file-system "$work"
}
trap leave EXIT

failed=0
ok() { # ok WHAT COMMAND...: counts a failure and goes on
	local what=$1 output
	shift
	if output=$("$@" 2>&1); then
		printf 'ok    %s\n' "$what"
	else
		printf 'FAIL  %s\n%s\n' "$what" "$output"
		failed=$((failed + 1))
	fi
}
same() { [ "$1" = "$2" ] || { printf 'want %s\ngot  %s\n' "$2" "$1" && false; }; }
not() { ! "$@"; }

say 'lintian and rpmlint'
ok lintian lintian --allow-root --fail-on error,warning out/amazon-ecs-init-"$version"-1.*.deb
ok rpmlint rpmlint --rpmlintrc scripts/packaging/rpm.rpmlintrc out/*.rpm

# --- a fresh Debian

base=${1:-$work/base}
if [ ! -d "$base/etc" ]; then
	. /etc/os-release
	mirror=$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' "Codename: $VERSION_CODENAME" | head -n 1)
	say "a fresh $VERSION_CODENAME"
	debootstrap --variant=minbase --include=systemd,systemd-sysv,ca-certificates,docker.io,iptables,procps,iproute2 "$VERSION_CODENAME" "$base" "${mirror:-http://deb.debian.org/debian}" >"$work/debootstrap.log" ||
		die "debootstrap: $(tail -n 3 "$work/debootstrap.log")"
	rm -f "$base"/var/cache/apt/archives/*.deb
fi
system=$work/system
cp -a "$base" "$system"
mkdir "$system/opt/test"
cp "out/$deb" "out/$newer" out/local-ecs "$system/opt/test/"

scripts/packaging/host.sh "$system" "$work/pid" 2>"$work/host.log" &
host=$!
wait_for 20 test -s "$work/pid" || die "the host does not start: $(cat "$work/host.log")"
pid=$(cat "$work/pid")
on() { nsenter --all --target "$pid" env -i PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LC_ALL=C "$@"; }
on_net() { nsenter --net --target "$pid" "$@"; }
wait_for 60 on systemctl is-system-running || die "the host's systemd does not get ready: $(on systemctl --failed)"
on systemctl start docker
on systemd-run --quiet --unit=local-ecs /opt/test/local-ecs serve --imds 127.0.0.1:8101 --data-dir /opt/test/local-ecs-state
on sh -c 'mkdir /tmp/image && cp /bin/sh /bin/sleep /tmp/image/ && tar -C / -ch bin/sh bin/sleep bin/cat lib lib64 2>/dev/null | docker import - app:1' >/dev/null
on rm -r /tmp/image

files() { on find / -xdev \( -path /proc -o -path /sys -o -path /run -o -path /tmp -o -path /opt/test -o -path '/var/lib/docker/*' -o -path '/var/lib/containerd/*' \
	-o -path '/var/log/*' -o -path '/var/lib/dpkg/*' -o -path '/var/lib/systemd/*' -o -path '/etc/docker/*' -o -path '/var/cache/debconf/*' -o -path /etc/machine-id \) -prune -o -print | sort; }
# A bridge is up while it has a container.
rules() { on sh -c 'iptables-save; ip6tables-save; sysctl net.ipv4.conf.all.route_localnet; ip route' | sed -e '/^#/d' -e 's/\[[0-9]*:[0-9]*\]//' -e 's/ linkdown//'; }
instance() { on_net curl --silent --max-time 5 http://127.0.0.1:51678/v1/metadata | sed -n 's/.*"ContainerInstanceArn":"\([^"]*\)".*/\1/p'; }
registered() { [ -n "$(instance)" ]; }
active() { on systemctl is-active --quiet "$1"; }
containers() { on docker ps --no-trunc --filter label=com.amazonaws.ecs.task-arn --format '{{.ID}}' | xargs -r nsenter --all --target "$pid" docker inspect --format '{{.Id}} {{.State.StartedAt}} {{.State.Status}}'; }
state() { on cat /var/cache/ecs/state; }
files >"$work/files.before"

# --- installation and first start

say 'installation'
ok 'dpkg -i' on dpkg -i "/opt/test/$deb"
for unit in ecs.service amazon-ecs-volume-plugin.socket amazon-ecs-volume-plugin.service; do
	ok "$unit is neither enabled nor started" same "$(on systemctl is-enabled $unit || true) $(on systemctl is-active $unit || true)" 'disabled inactive'
done
on mkdir /opt/test/amazon-linux
cp scripts/packaging/systemd/amazon-linux/ecs.service "$system/opt/test/amazon-linux/"
ok 'systemd-analyze verify' on sh -c 'systemd-analyze verify --man=no ecs.service amazon-ecs-volume-plugin.service amazon-ecs-volume-plugin.socket 2>&1 | tee /dev/stderr | { ! grep .; }'
ok 'systemd-analyze verify, Amazon Linux' on sh -c 'systemd-analyze verify --man=no /opt/test/amazon-linux/ecs.service 2>&1 | grep -v "cloud-final" | tee /dev/stderr | { ! grep .; }'
cat >"$system/etc/ecs/ecs.config" <<-CONFIG
	ECS_CLUSTER=default
	ECS_BACKEND_HOST=http://127.0.0.1:8100
	AWS_EC2_METADATA_SERVICE_ENDPOINT=http://127.0.0.1:8101
	ECS_IMAGE_PULL_BEHAVIOR=prefer-cached
CONFIG
on sh -c 'ip6tables -A INPUT -j ACCEPT && ip6tables -D INPUT -j ACCEPT' # tables exist from their first use on
before=$(rules)

say 'start'
ok 'systemctl start ecs' on systemctl start ecs
wait_for 60 registered || die "the instance is not registered: $(on tail -n 20 /var/log/ecs/ecs-init.log /var/log/ecs/ecs-agent.log 2>&1)"
arn=$(instance)
ok 'the cache is in use' same "$(state)" 1
ok 'the agent redirects 169.254.170.2' sh -c "$(printf '%q ' nsenter --net --target "$pid" curl --silent --max-time 5 http://169.254.170.2/v1/credentials) | grep -q Error"
cat >"$system/opt/test/task.json" <<-TASK
	{"family": "sleeper", "networkMode": "bridge", "containerDefinitions": [{"name": "c", "image": "app:1", "command": ["/bin/sleep", "3600"], "memory": 64, "essential": true}]}
TASK
ok 'a task runs' on timeout 60 /opt/test/local-ecs run /opt/test/task.json
wait_for 30 sh -c "[ -n \"\$(nsenter --all --target $pid docker ps -q --filter label=com.amazonaws.ecs.task-arn)\" ]" || true
task=$(containers)
ok 'its container runs' test -n "$task"

say 'restart, stop, start'
ok 'systemctl restart ecs' on systemctl restart ecs
ok 'the instance comes back as the same' wait_for 60 registered
ok 'with the same identity' same "$(instance)" "$arn"
ok 'the task was not touched' same "$(containers)" "$task"
ok 'systemctl stop ecs' on systemctl stop ecs
ok 'the unit is inactive' same "$(on systemctl is-active ecs || true)" inactive
ok 'the agent ended well' same "$(on docker inspect --format '{{.State.Status}} {{.State.ExitCode}}' ecs-agent)" 'exited 0'
ok 'rules, routes and kernel settings are those of before' same "$(rules)" "$before"
ok 'the task runs without the agent' same "$(containers)" "$task"
ok 'systemctl start ecs' on systemctl start ecs
ok 'the instance is registered again' wait_for 60 registered
on docker kill ecs-agent >/dev/null
ok 'a killed agent is started again' wait_for 30 registered
ok 'the unit did not notice' active ecs
ok 'systemctl restart docker' on systemctl restart docker
ok 'the agent comes back with Docker' wait_for 90 registered
on sed -i 's/^ECS_CLUSTER=.*/ECS_CLUSTER=other/' /etc/ecs/ecs.config
on systemctl restart ecs
ok 'a terminal failure ends the unit' wait_for 60 sh -c "[ \"\$(nsenter --all --target $pid systemctl show --property=ActiveState,ExecMainStatus ecs | sort | paste -sd' ')\" = 'ActiveState=failed ExecMainStatus=5' ]"
on sed -i 's/^ECS_CLUSTER=.*/ECS_CLUSTER=default/' /etc/ecs/ecs.config
ok 'and a start is enough afterwards' on systemctl start ecs
ok 'the instance is registered once more' wait_for 60 registered

say 'updates by the agent'
# agent_that COMMANDS: Docker's image of the agent is now one that does this.
agent_that() {
	on sh -c "tar -C / -ch bin/sh bin/sleep lib lib64 2>/dev/null | docker import --change 'CMD [\"/bin/sh\", \"-c\", \"$1\"]' - amazon/amazon-ecs-agent:latest" >/dev/null
}
stage() { # stage ARCHIVE: the agent downloaded it and wants to be replaced by it
	cp "$1" "$system/var/cache/ecs/0123456789abcdef0123.ecs-update.tar"
	echo 0123456789abcdef0123.ecs-update.tar >"$system/var/cache/ecs/desired-image"
}
on systemctl stop ecs
retries=$(on grep -c 'retrying in' /var/log/ecs/ecs-init.log || true)
agent_that 'exit 1'
on docker save --output /opt/test/bad.tar amazon/amazon-ecs-agent:latest
agent_that '[ ! -e /var/cache/ecs/desired-image ] || exit 42; exec sleep 3600'
old=$(on docker images --no-trunc --quiet amazon/amazon-ecs-agent:latest)
stage "$system/opt/test/bad.tar"
ok 'systemctl start ecs' on systemctl start ecs
ok 'an update that only fails is taken back' wait_for 60 sh -c "[ \"\$(nsenter --all --target $pid docker inspect --format '{{.Image}} {{.State.Running}}' ecs-agent)\" = '$old true' ] && [ ! -e '$system/var/cache/ecs/desired-image' ]"
ok 'after five failures' same "$(on grep -c 'retrying in' /var/log/ecs/ecs-init.log)" "$((retries + 5))"
on systemctl stop ecs
stage "$system/var/cache/ecs/ecs-agent-v$version-1.tar"
ok 'systemctl start ecs' on systemctl start ecs
ok 'a good update runs' wait_for 60 registered
ok 'as the same instance' same "$(instance)" "$arn"
ok 'nothing of it is left in the cache' same "$(on sh -c 'ls /var/cache/ecs')" "ecs-agent-v$version-1.tar
ecs-agent.tar
state"

say 'volume plugin'
mkdir "$system/srv/efs" && echo hello >"$system/srv/efs/file"
printf '#!/bin/sh\nexec mount --bind /srv/efs "$2"\n' >"$system/sbin/mount.efs" && chmod 0755 "$system/sbin/mount.efs"
ok 'its socket starts' on systemctl start amazon-ecs-volume-plugin.socket
ok 'docker volume create starts the plugin' on docker volume create --driver amazon-ecs-volume-plugin --opt type=efs --opt device=fs-1:/ data
ok 'the plugin runs' active amazon-ecs-volume-plugin.service
ok 'a container sees the file system' same "$(on docker run --rm --network none --volume data:/data app:1 /bin/cat /data/file)" hello
on docker run --detach --name holder --network none --volume data:/data app:1 /bin/sleep 3600 >/dev/null
ok 'the plugin restarts with a mounted volume' on systemctl restart amazon-ecs-volume-plugin.service
ok 'the volume stays mounted' same "$(on docker exec holder /bin/cat /data/file)" hello
on docker rm --force holder >/dev/null
ok 'it is unmounted after the last container' not on findmnt /var/lib/ecs/volumes/data
ok 'docker volume rm' on docker volume rm data
rm -r "$system/sbin/mount.efs" "$system/srv/efs"

say 'upgrade and downgrade'
task=$(containers)
config=$(on cat /etc/ecs/ecs.config)
ok 'dpkg -i of the newer package' on dpkg -i "/opt/test/$newer"
ok 'the agent of the newer package is registered' wait_for 60 sh -c "[ \"\$(cat '$system/var/cache/ecs/state')\" = 1 ] && nsenter --net --target $pid curl --silent --max-time 5 http://127.0.0.1:51678/v1/metadata | grep -q ContainerInstanceArn"
ok 'as the same instance' same "$(instance)" "$arn"
ok 'the configuration is unchanged' same "$(on cat /etc/ecs/ecs.config)" "$config"
ok 'the task was not touched' same "$(containers)" "$task"
ok 'one cached image' same "$(on sh -c 'ls /var/cache/ecs/*.tar')" "/var/cache/ecs/ecs-agent-v$version-2.tar
/var/cache/ecs/ecs-agent.tar"
ok 'dpkg -i of the older package' on dpkg -i "/opt/test/$deb"
ok 'the agent of the older package is registered' wait_for 60 registered
ok 'the task was not touched' same "$(containers)" "$task"

say 'removal'
on systemctl enable --quiet ecs amazon-ecs-volume-plugin.socket
ok 'dpkg -r' on dpkg -r amazon-ecs-init
ok 'the agent does not run' same "$(on docker ps --quiet --filter name=^/ecs-agent$)" ''
ok 'the task runs' same "$(containers)" "$task"
ok 'rules, routes and kernel settings are those of before' same "$(rules)" "$before"
ok 'the configuration is still there' same "$(on cat /etc/ecs/ecs.config)" "$config"
ok 'dpkg -P' on dpkg -P amazon-ecs-init
ok 'no file is left' diff "$work/files.before" <(files)
ok 'no image of the agent is left' same "$(on docker images --quiet amazon/amazon-ecs-agent)" ''
ok 'no container of the agent is left' same "$(on docker ps --all --quiet --filter name=^/ecs-agent$)" ''
ok 'no unit is left' not on sh -c 'systemctl list-unit-files | grep -E "^ecs|amazon-ecs"'

# --- rpm: the scripts and the files; Debian's rpm knows no dependencies of other distributions

for rpm in amazon-ecs-init-$version-1 ecs-init-$version-1.amzn2023; do
	say "$rpm"
	name=${rpm%%-[0-9]*}
	rpm() { command rpm --root "$system" --define '_dbpath /var/lib/rpm-test' --nodeps "$@"; }
	ok 'rpm -i' rpm -i "out/$rpm.$(uname -m).rpm"
	ok 'the image is cached' same "$(readlink "$system/var/cache/ecs/ecs-agent.tar") $(cat "$system/var/cache/ecs/state")" "ecs-agent-v$version.tar 2"
	ok 'no configuration was made' not test -e "$system/etc/ecs/ecs.config"
	echo ECS_CLUSTER=mine >"$system/etc/ecs/ecs.config"
	echo 1 >"$system/var/cache/ecs/state"
	ok 'rpm -U' rpm -U --force "out/$rpm.$(uname -m).rpm"
	ok 'the configuration is unchanged' same "$(cat "$system/etc/ecs/ecs.config")" ECS_CLUSTER=mine
	ok 'the image will be loaded again' same "$(cat "$system/var/cache/ecs/state")" 2
	ok 'rpm -e' rpm -e "$name"
	ok 'the configuration is kept' same "$(cat "$system/etc/ecs/ecs.config.rpmsave")" ECS_CLUSTER=mine
	ok 'nothing else is left' same "$(find "$system"/{etc,usr/lib/systemd/system,usr/libexec,var/cache,var/lib} -name '*ecs*' ! -path '*/rpm-test/*' ! -path '*/docker/*' ! -path '*/systemd/system/*' | sort)" "$system/etc/ecs
$system/etc/ecs/ecs.config.rpmsave"
	rm -r "$system/etc/ecs"
done

[ "$failed" = 0 ] || die "$failed checks failed"
say 'all checks passed'

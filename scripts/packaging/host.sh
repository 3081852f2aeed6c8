#!/usr/bin/env bash
# Boots a directory with a Debian system as a host of its own: namespaces, a cgroup, and systemd as process 1.
#
#   host.sh DIRECTORY PIDFILE     writes the process id to enter it with (nsenter --all --target), ends on SIGTERM or with the host
set -euo pipefail

directory=$(realpath "$1")
pidfile=$2
case ${3:-outside} in
outside)
	# Its own place below every cgroup hierarchy, so that its systemd does not meet another one.
	cgroup=package-test-$$
	leave() {
		while read -r mount; do
			find "$mount/$cgroup" -depth -type d -exec rmdir {} \; 2>/dev/null || true
		done < <(findmnt --noheadings --raw --output TARGET --types cgroup,cgroup2)
	}
	trap leave EXIT
	while read -r mount; do
		mkdir "$mount/$cgroup"
		for file in cpuset.cpus cpuset.mems; do
			[ ! -e "$mount/$cgroup/$file" ] || cat "$mount/$file" >"$mount/$cgroup/$file" || true
		done
	done < <(findmnt --noheadings --raw --output TARGET --types cgroup,cgroup2)
	(
		while read -r mount; do
			echo "$BASHPID" >"$mount/$cgroup/cgroup.procs"
		done < <(findmnt --noheadings --raw --output TARGET --types cgroup,cgroup2)
		exec unshare --cgroup --mount --net --pid --ipc --uts --fork "$0" "$directory" "$pidfile" inside
	) &
	parent=$!
	until init=$(pgrep --parent "$parent"); do
		kill -0 "$parent"
		sleep 0.05
	done
	echo "$init" >"$pidfile"
	trap 'kill -KILL "$init" || true' TERM INT
	wait "$parent" || true
	wait "$parent" || true # once more when a signal ended the first
	rm -f "$pidfile"
	;;
inside)
	ip link set lo up
	mount --make-rprivate /
	mount --bind "$directory" "$directory"
	mkdir -p "$directory"/{proc,sys,dev,run,old}
	cgroups=$(findmnt --noheadings --raw --output TARGET,FSTYPE,OPTIONS --types cgroup,cgroup2)
	mount -t sysfs sysfs "$directory/sys"
	mount -t proc proc "$directory/proc"
	mount -t tmpfs tmpfs "$directory/run"
	mount -t tmpfs tmpfs "$directory/dev"
	mkdir "$directory"/dev/{pts,shm,mqueue}
	mount -t devpts -o newinstance,ptmxmode=0666,mode=620 devpts "$directory/dev/pts"
	for device in null:1:3 zero:1:5 full:1:7 random:1:8 urandom:1:9 tty:5:0 fuse:10:229; do
		IFS=: read -r name major minor <<<"$device"
		mknod --mode=0666 "$directory/dev/$name" c "$major" "$minor"
	done
	ln -s pts/ptmx "$directory/dev/ptmx"
	ln -s /proc/self/fd "$directory/dev/fd"
	if [ "$(stat --file-system --format=%T /sys/fs/cgroup)" = cgroup2fs ]; then
		mount -t cgroup2 cgroup2 "$directory/sys/fs/cgroup"
	else
		mount -t tmpfs -o mode=755 tmpfs "$directory/sys/fs/cgroup"
		while read -r mount type options; do
			mkdir -p "$directory$mount"
			case $type in
			cgroup2) mount -t cgroup2 cgroup2 "$directory$mount" ;;
			cgroup) mount -t cgroup -o "$(tr , '\n' <<<"$options" | grep -Ev '^(rw|ro|no.*|relatime|xattr|release_agent=.*|clone_children)$' | paste -sd,)" cgroup "$directory$mount" ;;
			esac
		done <<<"$cgroups"
	fi
	cd "$directory"
	pivot_root . old
	umount --lazy /old
	rmdir /old
	exec env -i container=chroot PATH=/usr/sbin:/usr/bin:/sbin:/bin /lib/systemd/systemd --system --log-target=journal
	;;
esac

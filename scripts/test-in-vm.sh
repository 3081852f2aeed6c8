#!/usr/bin/env bash
# Runs in a small virtual machine, with Debian's cloud kernel, the tests that not every machine's kernel can do: latency and packet
# loss take network emulation (sch_netem), trunks take VLANs (8021q). Other tests stay outside: they run many programs, and where the
# processor has to be emulated, too, that is slow.
#
#   test-in-vm.sh [PART...]     default: faults plugins lab tasks
#
#   TEST_VM_ACCEL    kvm where that works; default tcg, an emulated processor, which works everywhere, also inside other machines
#   TEST_VM_TIMEOUT  seconds
set -euo pipefail
. "$(dirname "$0")/lib.sh"
cd "$root"

parts=${*:-faults plugins lab tasks}
vm=$out/test-vm
limit=${TEST_VM_TIMEOUT:-1200} # seconds
[ "$(uname -m)" = x86_64 ] || die "the virtual machine is for x86_64 only; run the tests on a host with sch_netem and 8021q: make run-integ-tests test-e2e"
export PATH=$PATH:/usr/sbin:/sbin CGO_ENABLED=0
missing=()
for pair in qemu-system-x86_64:qemu-system-x86 ip:iproute2 iptables:iptables nsenter:util-linux depmod:kmod cpio:cpio; do
	command -v "${pair%%:*}" >/dev/null || missing+=("${pair#*:}")
done
[ -x /bin/busybox ] || missing+=(busybox-static)
[ ${#missing[@]} = 0 ] || need_packages "${missing[@]}"

mkdir -p "$vm"
if [ ! -d "$vm/kernel" ]; then
	say 'fetching a kernel'
	package=$(apt-cache depends linux-image-cloud-amd64 | awk '/Depends:/ { print $2; exit }')
	(cd "$vm" && apt-get download -qq "$package" && dpkg-deb -x "$package"_*.deb kernel.new && rm "$package"_*.deb && mv kernel.new kernel)
fi
kernel=("$vm"/kernel/boot/vmlinuz-*)
release=${kernel[0]##*/vmlinuz-}

say 'packing the tests'
rm -rf "$vm/root"
mkdir -p "$vm/root"/{bin,sbin,usr/bin,usr/sbin,usr/local/bin,proc,sys,dev,run,tmp,etc,new,lib/modules,tests/faults}
for pair in faults:integration:./agent/httpd/fault plugins:integration:./misc/cni-plugins lab:integration:./misc/local-ecs/internal/lab tasks:e2e:./misc/e2e/vpc; do
	IFS=: read -r part tag package <<<"$pair"
	[[ " $parts " == *" $part "* ]] || continue
	mkdir -p "$vm/root/tests/$part"
	go test -c -tags "$tag" -o "$vm/root/tests/$part/test" "$package"
done
cp -r agent/httpd/fault/testdata "$vm/root/tests/faults/testdata"
mkdir -p "$vm/programs"
rm -rf "$vm/programs/cni"
VPC_E2E_BUILD=$vm/programs go test -tags e2e -count 1 ./misc/e2e/vpc >/dev/null
cp -r "$vm/programs" "$vm/root/programs"
add() { # add FILE... copies programs and libraries with the libraries they need
	local file library
	for file in "$@"; do
		[ -e "$vm/root$file" ] && continue
		mkdir -p "$vm/root$(dirname "$file")"
		cp -L "$file" "$vm/root$file"
		for library in $(ldd "$file" 2>/dev/null | grep -o '/[^ ]*' | sort -u); do add "$library"; done
	done
}
add /bin/busybox
for tool in ip tc nsenter iptables ip6tables iptables-save ip6tables-save; do add "$(command -v "$tool")"; done
for directory in /usr/lib/*/xtables; do add "$directory"/*.so; done
if [[ " $parts " == *" tasks "* ]]; then
	for tool in dockerd docker containerd containerd-shim-runc-v2 runc; do
		program=$(command -v "$tool") || die "tests of whole tasks need a Docker engine; without: $0 faults plugins lab"
		add "$program"
	done
	proxy=$(command -v docker-proxy || true)
	[ -z "$proxy" ] || add "$proxy"
fi
for tool in sh cat mount modprobe insmod poweroff mkdir sleep cp switch_root; do ln -s busybox "$vm/root/bin/$tool"; done
(cd "$vm/kernel" && find lib/modules/*/kernel/{net,lib,crypto,arch,fs/overlayfs} lib/modules/*/kernel/drivers/net/{veth,dummy}.ko lib/modules/*/modules.{builtin,order} -type f -print0 |
	xargs -0 cp --parents -t "$vm/root")
depmod -b "$vm/root" "$release"
# A container cannot leave the file system that the kernel starts with: the machine moves to another one first.
cat >"$vm/root/init" <<'INIT'
#!/bin/sh
export PATH=/bin
mount -t tmpfs -o size=90% root /new
cp -a /bin /sbin /usr /etc /lib /tests /programs /start /new/
[ ! -d /lib64 ] || cp -a /lib64 /new/
mkdir -p /new/proc /new/sys /new/dev /new/run /new/tmp /new/root
exec switch_root /new /start
INIT
cat >"$vm/root/start" <<'START'
#!/bin/sh
export PATH=/bin:/sbin:/usr/bin:/usr/sbin:/usr/local/bin HOME=/root
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t devtmpfs dev /dev
mount -t cgroup2 cgroup /sys/fs/cgroup
mount -t tmpfs tmp /run
mount -t tmpfs tmp /tmp
echo /bin/modprobe >/proc/sys/kernel/modprobe
modprobe -a veth dummy ipv6 bridge 8021q overlay nf_tables nft_compat nft_chain_nat xt_tcpudp xt_multiport xt_owner xt_addrtype xt_conntrack xt_REDIRECT xt_MASQUERADE sch_prio sch_netem cls_u32 cls_flow
export CNI_PLUGINS_BUILT=/programs/cni/vpc-eni VPC_E2E_BUILT=/programs
run() { # run PART TESTS
	[ -x "/tests/$1/test" ] || return 0
	echo "the tests of $1 begin"
	cd "/tests/$1" && ./test -test.v -test.run "$2" -test.timeout 900s
	echo "the tests of $1 ended with $?"
}
run faults 'Latency|PacketLoss|Flows'
run plugins 'Branch'
run lab 'Trunk'
run tasks 'Trunk|Impairments'
poweroff -f
START
chmod +x "$vm/root/init" "$vm/root/start"
(cd "$vm/root" && find . | cpio -o -H newc --quiet) >"$vm/initrd"

say 'starting the virtual machine'
log=$vm/console.log
timeout "$limit" qemu-system-x86_64 -accel "${TEST_VM_ACCEL:-tcg}" -cpu max -smp 2 -m 3072 -nodefaults -display none -serial stdio -no-reboot \
	-kernel "${kernel[0]}" -initrd "$vm/initrd" -append 'console=ttyS0 quiet panic=-1 edd=off mitigations=off' </dev/null 2>&1 | tee "$log" | grep -v '^level=' || true
for part in $parts; do
	grep -q "the tests of $part ended with 0" "$log" || die "$part: see $log"
done
! grep -q -- '--- SKIP' "$log" || die "tests were skipped, see $log"

#!/usr/bin/env bash
# Runs the tests of network faults in a small virtual machine with Debian's cloud kernel: latency and packet loss need a kernel that
# emulates networks (sch_netem), and not every machine has one. The processor is emulated too, so that it works inside other virtual
# machines; the tests of black holes, which every kernel can make, stay outside: they run many programs, and that is slow here.
set -euo pipefail
. "$(dirname "$0")/lib.sh"
cd "$root"

vm=$out/fault-vm
limit=${FAULT_VM_TIMEOUT:-600} # seconds
[ "$(uname -m)" = x86_64 ] || die "the virtual machine is for x86_64 only; run the tests on a host with sch_netem: go test -tags integration ./agent/httpd/fault"
export PATH=$PATH:/usr/sbin:/sbin
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
mkdir -p "$vm/root"/{bin,sbin,usr/bin,usr/sbin,proc,sys,dev,run,tmp,etc,lib/modules}
CGO_ENABLED=0 go test -c -tags integration -o "$vm/root/fault.test" ./agent/httpd/fault
cp -r agent/httpd/fault/testdata "$vm/root/testdata"
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
for tool in ip tc nsenter iptables ip6tables; do add "$(command -v "$tool")"; done
for directory in /usr/lib/*/xtables; do add "$directory"/*.so; done
for tool in sh mount modprobe insmod poweroff mkdir sleep; do ln -s busybox "$vm/root/bin/$tool"; done
(cd "$vm/kernel" && find lib/modules/*/kernel/{net,lib,crypto,arch} lib/modules/*/kernel/drivers/net/veth.ko lib/modules/*/modules.{builtin,order} -type f -print0 |
	xargs -0 cp --parents -t "$vm/root")
depmod -b "$vm/root" "$release"
cat >"$vm/root/init" <<'INIT'
#!/bin/sh
export PATH=/bin:/sbin:/usr/bin:/usr/sbin
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t devtmpfs dev /dev
mount -t tmpfs tmp /run
mount -t tmpfs tmp /tmp
modprobe -a veth ipv6 nf_tables nft_compat xt_tcpudp sch_prio sch_netem cls_u32 cls_flow
cd / && ./fault.test -test.v -test.run 'Latency|PacketLoss|Flows' -test.timeout 300s
echo "the tests ended with $?"
poweroff -f
INIT
chmod +x "$vm/root/init"
(cd "$vm/root" && find . | cpio -o -H newc --quiet | gzip -1) >"$vm/initrd"

say 'starting the virtual machine'
log=$vm/console.log
timeout "$limit" qemu-system-x86_64 -accel tcg -cpu max -m 768 -nodefaults -display none -serial stdio -no-reboot \
	-kernel "${kernel[0]}" -initrd "$vm/initrd" -append 'console=ttyS0 quiet panic=-1 edd=off mitigations=off' </dev/null | tee "$log" | grep -v '^level=' || true
grep -q 'the tests ended with 0' "$log" || die "see $log"
! grep -q -- '--- SKIP' "$log" || die "tests were skipped, see $log"

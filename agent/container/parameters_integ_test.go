//go:build integration

package container

import (
	"slices"
	"strings"
	"testing"
)

// What the service puts into the raw host config works inside the container.
func TestLinuxParametersReachTheContainer(t *testing.T) {
	tests := []struct {
		name, config, hostConfig string
		script                   string
		want                     []string
	}{
		{name: "ulimits", hostConfig: `\"Ulimits\":[{\"Name\":\"nofile\",\"Soft\":1000,\"Hard\":2000}]`, script: "ulimit -Sn; ulimit -Hn", want: []string{"1000", "2000"}},
		{name: "sysctls", hostConfig: `\"Sysctls\":{\"net.core.somaxconn\":\"256\"}`, script: "cat /proc/sys/net/core/somaxconn", want: []string{"256"}},
		{name: "shared memory", hostConfig: `\"ShmSize\":33554432`, script: `while read _ at _ o _; do test $at = /dev/shm && echo $o | tr , "\n" | grep size; done < /proc/mounts`, want: []string{"size=32768k"}},
		{name: "tmpfs", hostConfig: `\"Tmpfs\":{\"/scratch\":\"size=1m\"}`, script: `while read _ at kind o _; do test $at = /scratch && echo $kind && echo $o | tr , "\n" | grep size; done < /proc/mounts`, want: []string{"tmpfs", "size=1024k"}},
		{name: "devices", hostConfig: `\"Devices\":[{\"PathOnHost\":\"/dev/null\",\"PathInContainer\":\"/dev/mine\",\"CgroupPermissions\":\"rw\"}]`, script: "echo x > /dev/mine && test -c /dev/mine && echo there", want: []string{"there"}},
		{name: "init", hostConfig: `\"Init\":true`, script: `tr "\0" " " < /proc/1/cmdline | cut -d " " -f 1`, want: []string{"/sbin/docker-init"}},
		{name: "capabilities", hostConfig: `\"CapDrop\":[\"ALL\"],\"CapAdd\":[\"NET_ADMIN\"]`, script: "grep CapEff /proc/self/status | cut -f 2", want: []string{"0000000000001000"}},
		{name: "no new privileges", hostConfig: `\"SecurityOpt\":[\"no-new-privileges\"]`, script: "grep NoNewPrivs /proc/self/status | cut -f 2", want: []string{"1"}},
		{name: "read-only root", hostConfig: `\"ReadonlyRootfs\":true`, script: "touch /file 2>/dev/null || echo read-only", want: []string{"read-only"}},
		{name: "hosts", hostConfig: `\"ExtraHosts\":[\"zone:10.1.2.3\"]`, script: `grep zone /etc/hosts | tr "\t" " "`, want: []string{"10.1.2.3 zone"}},
		{name: "DNS", hostConfig: `\"Dns\":[\"10.77.0.2\"],\"DnsSearch\":[\"a.test\"]`, script: "grep -E '^(nameserver|search)' /etc/resolv.conf | sort", want: []string{"nameserver 10.77.0.2", "search a.test"}},
		{name: "terminal", config: `\"Tty\":true,\"OpenStdin\":true`, script: "test -t 0 && echo terminal", want: []string{"terminal"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			h := run(t, script("{ "+tt.script+"; true; } > /out/answer", `,"dockerConfig":{"config":"{`+tt.config+`}","hostConfig":"{`+tt.hostConfig+`}"}`))
			h.ended(0, 0)
			got := h.wrote("answer")
			for i := range got {
				got[i] = strings.TrimSpace(got[i])
			}
			if !slices.Equal(got, tt.want) {
				t.Errorf("answer %q, want %q", got, tt.want)
			}
		})
	}
}

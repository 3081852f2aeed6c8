package registration

import (
	"runtime"
	"testing"

	"github.com/aws/amazon-ecs-agent/agent/config"
	"github.com/aws/amazon-ecs-agent/agent/ecsapi"
	"github.com/google/go-cmp/cmp"
)

func TestHostResources(t *testing.T) {
	cfg := &config.Config{ReservedMemory: 256, ReservedPorts: []uint16{22, 51678}}
	r, err := HostResources(Host{CPUs: 4, MemoryMiB: 15960}, cfg)
	if err != nil {
		t.Fatal(err)
	}
	want := []ecsapi.Resource{
		{Name: "CPU", Type: "INTEGER", Integer: 4096},
		{Name: "MEMORY", Type: "INTEGER", Integer: 15704},
		{Name: "PORTS", Type: "STRINGSET", StringSet: []string{"22", "51678"}},
		{Name: "PORTS_UDP", Type: "STRINGSET", StringSet: []string{}},
	}
	if diff := cmp.Diff(want, r.registered()); diff != "" {
		t.Error(diff)
	}
}

func TestReservedMemoryAboveTheTotal(t *testing.T) {
	_, err := HostResources(Host{CPUs: 1, MemoryMiB: 1024}, &config.Config{ReservedMemory: 1025})
	const want = "api register-container-instance: reserved memory is higher than available memory on the host, total memory: 1024, reserved: 1025"
	if err == nil || err.Error() != want || ExitCode(err) != CodeError {
		t.Errorf("got %v", err)
	}
	if r, err := HostResources(Host{MemoryMiB: 1024}, &config.Config{ReservedMemory: 1024}); err != nil || r.MemoryMiB != 0 {
		t.Errorf("all memory reserved: %+v, %v", r, err)
	}
}

func TestReadHost(t *testing.T) {
	h := ReadHost()
	if h.CPUs != runtime.NumCPU() || h.MemoryMiB < 16 {
		t.Errorf("got %+v", h)
	}
}

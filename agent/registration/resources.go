package registration

import (
	"fmt"
	"strconv"

	"github.com/aws/amazon-ecs-agent/agent/config"
	"github.com/aws/amazon-ecs-agent/agent/ecsapi"
)

// cpuUnits is how many CPU units a logical CPU has.
const cpuUnits = 1024

// Host is what the machine has.
type Host struct {
	// CPUs is the number of logical CPUs the process may use.
	CPUs int
	// MemoryMiB is the total memory; 0 when it could not be read.
	MemoryMiB int64
}

// Resources is what tasks may use of the host.
type Resources struct {
	// CPU in units of 1/1024 logical CPU.
	CPU int
	// MemoryMiB is the total memory without the reserved part.
	MemoryMiB int
	// PortsTCP and PortsUDP are reserved for others than tasks.
	PortsTCP, PortsUDP []uint16
}

// HostResources subtracts what the configuration reserves from what the host has.
func HostResources(h Host, cfg *config.Config) (Resources, error) {
	memory := h.MemoryMiB - int64(cfg.ReservedMemory)
	if memory < 0 {
		return Resources{}, fmt.Errorf("api register-container-instance: reserved memory is higher than available memory on the host, total memory: %d, reserved: %d",
			h.MemoryMiB, cfg.ReservedMemory)
	}
	return Resources{
		CPU:       h.CPUs * cpuUnits,
		MemoryMiB: int(memory),
		PortsTCP:  cfg.ReservedPorts,
		PortsUDP:  cfg.ReservedPortsUDP,
	}, nil
}

// registered is the form sent to the service.
func (r Resources) registered() []ecsapi.Resource {
	return []ecsapi.Resource{
		{Name: "CPU", Type: ecsapi.IntegerResource, Integer: int32(r.CPU)},
		{Name: "MEMORY", Type: ecsapi.IntegerResource, Integer: int32(r.MemoryMiB)},
		{Name: "PORTS", Type: ecsapi.StringSetResource, StringSet: portSet(r.PortsTCP)},
		{Name: "PORTS_UDP", Type: ecsapi.StringSetResource, StringSet: portSet(r.PortsUDP)},
	}
}

func portSet(ports []uint16) []string {
	set := make([]string, 0, len(ports))
	for _, p := range ports {
		set = append(set, strconv.Itoa(int(p)))
	}
	return set
}

package ecs

// Demand is what a task takes from its instance.
type Demand struct {
	CPU      int   `json:"cpu"`    // units
	Memory   int   `json:"memory"` // MiB
	TCPPorts []int `json:"tcp,omitempty"`
	UDPPorts []int `json:"udp,omitempty"`
	GPUs     int   `json:"gpus,omitempty"`
}

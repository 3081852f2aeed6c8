// Package dockerstats is the statistics object of a container as Docker's API shows it (GET /containers/{id}/stats), and
// the arithmetic that carries counters over a restart. Task metadata serves the object; metrics are computed from it.
package dockerstats

import "time"

// Object is one sample. Members without omitempty always appear, as null or zero if need be; members that are not here are
// dropped on the way from Docker to task metadata.
type Object struct {
	Read    time.Time `json:"read"`
	PreRead time.Time `json:"preread"`

	Pids  Pids  `json:"pids_stats"`
	Blkio Blkio `json:"blkio_stats"`

	// Windows only.
	NumProcs uint32  `json:"num_procs"`
	Storage  Storage `json:"storage_stats"`

	CPU    CPU    `json:"cpu_stats"`
	PreCPU CPU    `json:"precpu_stats"` // as in the sample before
	Memory Memory `json:"memory_stats"`

	Name     string   `json:"name,omitempty"`
	ID       string   `json:"id,omitempty"`
	Networks Networks `json:"networks,omitempty"`
}

// Pids counts processes and threads.
type Pids struct {
	Current uint64 `json:"current,omitempty"`
	Limit   uint64 `json:"limit,omitempty"`
}

// Blkio is block I/O by device and kind of operation. A nil list is one the kernel does not keep.
type Blkio struct {
	ServiceBytes []BlkioEntry `json:"io_service_bytes_recursive"`
	Serviced     []BlkioEntry `json:"io_serviced_recursive"`
	Queued       []BlkioEntry `json:"io_queue_recursive"`
	ServiceTime  []BlkioEntry `json:"io_service_time_recursive"`
	WaitTime     []BlkioEntry `json:"io_wait_time_recursive"`
	Merged       []BlkioEntry `json:"io_merged_recursive"`
	Time         []BlkioEntry `json:"io_time_recursive"`
	Sectors      []BlkioEntry `json:"sectors_recursive"`
}

// BlkioEntry is a counter of one device.
type BlkioEntry struct {
	Major uint64 `json:"major"`
	Minor uint64 `json:"minor"`
	Op    string `json:"op"`
	Value uint64 `json:"value"`
}

// Storage is disk I/O on Windows.
type Storage struct {
	ReadCount  uint64 `json:"read_count_normalized,omitempty"`
	ReadBytes  uint64 `json:"read_size_bytes,omitempty"`
	WriteCount uint64 `json:"write_count_normalized,omitempty"`
	WriteBytes uint64 `json:"write_size_bytes,omitempty"`
}

// CPU is CPU time: nanoseconds on Linux, units of 100 ns on Windows.
type CPU struct {
	Usage      CPUUsage   `json:"cpu_usage"`
	System     uint64     `json:"system_cpu_usage,omitempty"` // of the whole host
	OnlineCPUs uint32     `json:"online_cpus,omitempty"`
	Throttling Throttling `json:"throttling_data"`
}

// CPUUsage is the CPU time of the container.
type CPUUsage struct {
	Total  uint64   `json:"total_usage"`
	PerCPU []uint64 `json:"percpu_usage,omitempty"` // cgroup v1 only; possible CPUs, not online ones
	Kernel uint64   `json:"usage_in_kernelmode"`
	User   uint64   `json:"usage_in_usermode"`
}

// Throttling tells how often a CPU limit held the container back.
type Throttling struct {
	Periods          uint64 `json:"periods"`
	ThrottledPeriods uint64 `json:"throttled_periods"`
	ThrottledTime    uint64 `json:"throttled_time"` // ns
}

// Memory is in bytes.
type Memory struct {
	Usage    uint64 `json:"usage,omitempty"`
	MaxUsage uint64 `json:"max_usage,omitempty"`
	Stats    Values `json:"stats,omitempty"` // the kernel's memory.stat
	FailCnt  uint64 `json:"failcnt,omitempty"`
	Limit    uint64 `json:"limit,omitempty"`

	// Windows only.
	Commit            uint64 `json:"commitbytes,omitempty"`
	CommitPeak        uint64 `json:"commitpeakbytes,omitempty"`
	PrivateWorkingSet uint64 `json:"privateworkingset,omitempty"`
}

// Network are the counters of one interface since the container started.
type Network struct {
	RxBytes    uint64 `json:"rx_bytes"`
	RxPackets  uint64 `json:"rx_packets"`
	RxErrors   uint64 `json:"rx_errors"`
	RxDropped  uint64 `json:"rx_dropped"`
	TxBytes    uint64 `json:"tx_bytes"`
	TxPackets  uint64 `json:"tx_packets"`
	TxErrors   uint64 `json:"tx_errors"`
	TxDropped  uint64 `json:"tx_dropped"`
	EndpointID string `json:"endpoint_id,omitempty"` // Windows only
	InstanceID string `json:"instance_id,omitempty"` // Windows only
}

// Add adds the counters of other.
func (n *Network) Add(other *Network) {
	n.RxBytes += other.RxBytes
	n.RxPackets += other.RxPackets
	n.RxErrors += other.RxErrors
	n.RxDropped += other.RxDropped
	n.TxBytes += other.TxBytes
	n.TxPackets += other.TxPackets
	n.TxErrors += other.TxErrors
	n.TxDropped += other.TxDropped
}

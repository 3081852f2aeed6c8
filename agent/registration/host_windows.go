package registration

import (
	"runtime"
	"unsafe"

	"github.com/aws/amazon-ecs-agent/agent/logger"
	"golang.org/x/sys/windows"
)

var globalMemoryStatus = windows.NewLazySystemDLL("kernel32.dll").NewProc("GlobalMemoryStatusEx")

// memoryStatus is MEMORYSTATUSEX.
type memoryStatus struct {
	length, load                                           uint32
	totalPhys, availPhys, totalPage, availPage             uint64
	totalVirtual, availVirtual, availExtendedVirtualMemory uint64
}

// ReadHost looks at the machine, all processor groups included. Memory that cannot be read counts as none.
func ReadHost() Host {
	h := Host{CPUs: runtime.NumCPU()}
	if n := windows.GetActiveProcessorCount(windows.ALL_PROCESSOR_GROUPS); n > 0 {
		h.CPUs = int(n)
	}
	status := memoryStatus{length: uint32(unsafe.Sizeof(memoryStatus{}))}
	if ok, _, err := globalMemoryStatus.Call(uintptr(unsafe.Pointer(&status))); ok == 0 {
		logger.Error("Unable to get memory info", logger.Err(err))
		return h
	}
	h.MemoryMiB = int64(status.totalPhys >> 20)
	return h
}

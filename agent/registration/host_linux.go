package registration

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"os"
	"runtime"
	"strconv"
	"strings"

	"github.com/aws/amazon-ecs-agent/agent/logger"
)

// ReadHost looks at the machine. Memory that cannot be read counts as none.
func ReadHost() Host {
	text, err := os.ReadFile("/proc/meminfo")
	var memory int64
	if err == nil {
		memory, err = memTotalMiB(text)
	}
	if err != nil {
		logger.Error("Unable to get memory info", logger.Err(err))
	}
	return Host{CPUs: runtime.NumCPU(), MemoryMiB: memory}
}

// memTotalMiB reads the line "MemTotal:  16343040 kB", rounded down.
func memTotalMiB(meminfo []byte) (int64, error) {
	lines := bufio.NewScanner(bytes.NewReader(meminfo))
	for lines.Scan() {
		rest, found := strings.CutPrefix(lines.Text(), "MemTotal:")
		if !found {
			continue
		}
		kib, err := strconv.ParseInt(strings.TrimSpace(strings.TrimSuffix(rest, "kB")), 10, 64)
		if err != nil || kib < 0 {
			return 0, fmt.Errorf("/proc/meminfo: bad MemTotal %q", rest)
		}
		return kib / 1024, nil
	}
	return 0, errors.New("/proc/meminfo has no MemTotal")
}

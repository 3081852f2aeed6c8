package registration

import (
	"slices"
	"strings"
)

// ParseCPUFlags returns the CPU features listed in the text of /proc/cpuinfo, of the first CPU that lists any.
func ParseCPUFlags(cpuinfo string) []string {
	for line := range strings.Lines(cpuinfo) {
		name, value, found := strings.Cut(line, ":")
		name = strings.TrimSpace(name)
		if found && (name == "flags" || name == "Features") {
			return strings.Fields(value)
		}
	}
	return nil
}

// hasVectorFlags reports whether the CPU has what the elastic inference libraries are built for.
func hasVectorFlags(flags []string) bool {
	for _, f := range []string{"avx", "avx2", "sse4_1", "sse4_2"} {
		if !slices.Contains(flags, f) {
			return false
		}
	}
	return true
}

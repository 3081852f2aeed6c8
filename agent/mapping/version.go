package mapping

import (
	"fmt"
	"strconv"
	"strings"
)

// version of a program or API: major, minor, patch.
type version [3]int

func (v version) less(other version) bool {
	for i := range v {
		if v[i] != other[i] {
			return v[i] < other[i]
		}
	}
	return false
}

// parseVersion reads "1.24", "18.09.0" or "20.10.24+dfsg1": one to three numbers, then anything after "-" or "+".
func parseVersion(text string) (version, error) {
	numbers, _, _ := strings.Cut(text, "+")
	numbers, _, _ = strings.Cut(numbers, "-")
	parts := strings.Split(numbers, ".")
	var v version
	if len(parts) > len(v) {
		return v, fmt.Errorf("version %q: more than three numbers", text)
	}
	for i, part := range parts {
		n, err := strconv.ParseUint(part, 10, 31)
		if err != nil {
			return v, fmt.Errorf("version %q: want numbers like 1.24 or 20.10.5", text)
		}
		v[i] = int(n)
	}
	return v, nil
}

// APIVersion is the Docker API version for the calls that create and start a container: the one its settings were
// written for if that is above the minimum, else the minimum. What cannot be read counts as the minimum.
func APIVersion(requested *string, minimum string) string {
	if requested == nil {
		return minimum
	}
	want, err := parseVersion(*requested)
	if err != nil {
		return minimum
	}
	if least, err := parseVersion(minimum); err == nil && !least.less(want) {
		return minimum
	}
	return *requested
}

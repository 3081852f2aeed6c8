package store

import (
	"fmt"
	"strconv"
	"strings"
)

// migration changes the JSON of task records written before a version. Until now new keys have always been optional, so
// there is none; the rules for changes are: add optional keys, never reuse a key, absent means the old behaviour.
type migration struct {
	before string // x.y.z; records of older writers are changed
	apply  func(record []byte) ([]byte, error)
}

var migrations []migration

// migrate brings a task record written by version writer up to date. A writer that is no x.y.z gets no changes.
func migrate(chain []migration, writer string, record []byte) ([]byte, error) {
	for _, m := range chain {
		if older, comparable := versionLess(writer, m.before); !comparable || !older {
			continue
		}
		var err error
		if record, err = m.apply(record); err != nil {
			return nil, fmt.Errorf("bring a record of version %s to the form of %s: %w", writer, m.before, err)
		}
	}
	return record, nil
}

// versionLess compares two x.y.z versions from left to right. comparable is false when one is not of that form.
func versionLess(a, b string) (less, comparable bool) {
	va, okA := parseVersion(a)
	vb, okB := parseVersion(b)
	if !okA || !okB {
		return false, false
	}
	for i := range va {
		if va[i] != vb[i] {
			return va[i] < vb[i], true
		}
	}
	return false, true
}

func parseVersion(s string) (v [3]uint64, ok bool) {
	parts := strings.Split(s, ".")
	if len(parts) != len(v) {
		return v, false
	}
	for i, p := range parts {
		n, err := strconv.ParseUint(p, 10, 32)
		if err != nil {
			return v, false
		}
		v[i] = n
	}
	return v, true
}

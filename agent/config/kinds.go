package config

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"strconv"
	"strings"
	"time"
)

// kind is the grammar of a setting: how its environment variable and its JSON value are read, and which value counts as
// unset, so that a source of lower precedence is seen.
type kind struct {
	// allowed describes the values for the documentation and for warnings.
	allowed string
	// parse reads an environment variable; the result has the type of the Config field.
	parse func(text string) (any, error)
	// decode reads a JSON value other than null.
	decode func(raw json.RawMessage) (any, error)
	// unset is nil when every present value counts.
	unset func(v any) bool
	// complaint is the warning about a variable that parse refused; nil for the general one.
	complaint func(env, text string, err error) string
}

// newKind makes a kind whose JSON form is what encoding/json reads into a T.
func newKind[T any](allowed string, parse func(string) (T, error), unset func(T) bool) kind {
	k := kind{
		allowed: allowed,
		parse:   func(text string) (any, error) { return parse(text) },
		decode: func(raw json.RawMessage) (any, error) {
			var v T
			if err := json.Unmarshal(raw, &v); err != nil {
				return nil, err
			}
			return v, nil
		},
	}
	if unset != nil {
		k.unset = func(v any) bool { return unset(v.(T)) }
	}
	return k
}

func isZero[T comparable](v T) bool { var zero T; return v == zero }

func isEmpty[T any](v []T) bool { return len(v) == 0 }

func verbatim(text string) (string, error) { return text, nil }

// trimmed makes parse indifferent to blanks and carriage returns around the text.
func trimmed[T any](parse func(string) (T, error)) func(string) (T, error) {
	return func(text string) (T, error) { return parse(strings.TrimSpace(text)) }
}

var (
	stringKind = newKind("text", verbatim, isZero[string])

	// triKind knows true, false and unset.
	triKind = func() kind {
		k := newKind("`true`, `false`", trimmed(strconv.ParseBool), nil)
		k.decode = func(raw json.RawMessage) (any, error) { return decodeTri(raw) }
		k.complaint = func(env, _ string, err error) string {
			return fmt.Sprintf("Invalid format for %q, expected a boolean. err %v", env, err)
		}
		return k
	}()

	// twoStateKind cannot tell false from unset: false never beats a true of a lower source.
	twoStateKind = newKind("`true`, `false`", trimmed(strconv.ParseBool), func(v bool) bool { return !v })

	toggleKind = func() kind {
		k := triKind
		k.parse = func(text string) (any, error) {
			on, err := strconv.ParseBool(strings.TrimSpace(text))
			return Toggle{Enabled: on, Explicit: true}, err
		}
		k.decode = func(raw json.RawMessage) (any, error) {
			on, err := decodeTri(raw)
			return Toggle{Enabled: on, Explicit: true}, err
		}
		return k
	}()

	durationKind = func() kind {
		k := newKind("duration", trimmed(time.ParseDuration), isZero[time.Duration])
		decode := k.decode
		k.decode = func(raw json.RawMessage) (any, error) {
			v, err := decode(raw)
			if err != nil {
				err = fmt.Errorf("%w (a duration is written as an integer number of nanoseconds)", err)
			}
			return v, err
		}
		k.complaint = func(env, text string, err error) string {
			return fmt.Sprintf("Could not parse duration value: %s for Environment Variable %s : %v", text, env, err)
		}
		return k
	}()

	intKind    = newKind("integer", trimmed(strconv.Atoi), isZero[int])
	uint16Kind = newKind("0–65535", trimmed(parseUint16), isZero[uint16])

	portsKind = func() kind {
		k := newKind("JSON list of ports", decodeFirst[[]uint16], isEmpty[uint16])
		k.complaint = func(env, _ string, err error) string {
			return fmt.Sprintf("Invalid format for %q environment variable; expected a JSON array like [1,2,3]. err %v", env, err)
		}
		return k
	}()
	listKind = newKind("JSON list of strings", decodeFirst[[]string], isEmpty[string])
	csvKind  = newKind("comma-separated list", func(text string) ([]string, error) { return strings.Split(text, ","), nil }, isEmpty[string])
	mapKind  = newKind("JSON object of strings", decodeWhole[map[string]string], func(m map[string]string) bool { return len(m) == 0 })

	routesKind = newKind("JSON list of CIDR blocks", decodeWhole[[]netip.Prefix], isEmpty[netip.Prefix])
	prefixKind = newKind("CIDR block", netip.ParsePrefix, isZero[netip.Prefix])

	secretKind = newKind("JSON", func(text string) (Secret, error) { return NewSecret([]byte(text)), nil }, Secret.Empty)

	pullBehaviorKind  = enumKind[ImagePullBehavior](imagePullNames[:])
	propagateTagsKind = enumKind[PropagateTagsFrom](propagateNames[:])
	statsSourceKind   = enumKind[StatsSource](statsSourceNames[:])

	pidsLimitKind = newKind(fmt.Sprintf("1–%d", maxPidsLimit), trimmed(parsePidsLimit), isZero[int])
	cpuPeriodKind = func() kind {
		k := durationKind
		k.allowed = fmt.Sprintf("%v–%v", minCPUPeriod, maxCPUPeriod)
		k.parse = func(text string) (any, error) { return parseCPUPeriod(strings.TrimSpace(text)) }
		return k
	}()
	freeSpaceKind = newKind("`1%`–`99%`, or bytes such as `20GiB` (`KiB`, `MiB`, `GiB`, `TiB` or none)", trimmed(parseFreeSpace), isZero[FreeSpace])
	portRangeKind = newKind("`N` or `N-M`", trimmed(parsePortRange), isZero[string])
)

// enumKind reads names from the environment and their index from JSON; the first name is the same as unset.
func enumKind[T ~int](names []string) kind {
	quoted := "`" + strings.Join(names, "`, `") + "`"
	parse := func(text string) (T, error) {
		for i, name := range names {
			if name == text {
				return T(i), nil
			}
		}
		return 0, fmt.Errorf("unknown name %q", text)
	}
	k := newKind(quoted, trimmed(parse), isZero[T])
	decode := k.decode
	k.decode = func(raw json.RawMessage) (any, error) {
		v, err := decode(raw)
		if err != nil {
			return nil, err
		}
		if i := int(v.(T)); i < 0 || i >= len(names) {
			return nil, fmt.Errorf("%d is none of 0 to %d (%s)", i, len(names)-1, quoted)
		}
		return v, nil
	}
	return k
}

// decodeTri reads the JSON forms of a tri-state boolean: true, false and, as written by old installers, 1 and 0.
func decodeTri(raw json.RawMessage) (bool, error) {
	switch string(raw) {
	case "1":
		return true, nil
	case "0":
		return false, nil
	}
	var v bool
	err := json.Unmarshal(raw, &v)
	return v, err
}

// decodeFirst reads the JSON value text begins with. What follows it has always been ignored for lists.
func decodeFirst[T any](text string) (T, error) {
	var v, none T
	if err := json.NewDecoder(strings.NewReader(text)).Decode(&v); err != nil {
		return none, err
	}
	return v, nil
}

func decodeWhole[T any](text string) (T, error) {
	var v, none T
	if err := json.Unmarshal([]byte(text), &v); err != nil {
		return none, err
	}
	return v, nil
}

func parseUint16(text string) (uint16, error) {
	n, err := strconv.ParseUint(text, 10, 16)
	return uint16(n), err
}

const (
	// maxPidsLimit is the highest kernel.pid_max of 64-bit Linux.
	maxPidsLimit = 4194304

	minCPUPeriod = 8 * time.Millisecond
	maxCPUPeriod = 100 * time.Millisecond
)

func parsePidsLimit(text string) (int, error) {
	n, err := strconv.Atoi(text)
	if err == nil && (n < 1 || n > maxPidsLimit) {
		err = errors.New("out of range")
	}
	return n, err
}

func parseCPUPeriod(text string) (time.Duration, error) {
	d, err := time.ParseDuration(text)
	if err == nil && d != 0 && (d < minCPUPeriod || d > maxCPUPeriod) {
		err = fmt.Errorf("out of range, allowed is %v–%v", minCPUPeriod, maxCPUPeriod)
	}
	return d, err
}

func parsePortRange(text string) (string, error) {
	if _, _, err := splitPortRange(text); err != nil {
		return "", err
	}
	return text, nil
}

// splitPortRange reads `N` or `N-M`.
func splitPortRange(text string) (first, last uint16, err error) {
	a, b, isRange := strings.Cut(text, "-")
	if first, err = parseUint16(a); err != nil {
		return 0, 0, err
	}
	if !isRange {
		return first, first, nil
	}
	if last, err = parseUint16(b); err != nil {
		return 0, 0, err
	}
	if last < first {
		return 0, 0, fmt.Errorf("the range ends before it starts")
	}
	return first, last, nil
}

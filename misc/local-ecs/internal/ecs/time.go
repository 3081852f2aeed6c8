package ecs

import (
	"encoding/json"
	"fmt"
	"math"
	"strconv"
	"time"
)

// Time is an instant as AWS JSON 1.1 writes it: a number of seconds since the epoch with millisecond precision.
type Time struct{ time.Time }

// At wraps t, cut to the precision of the wire.
func At(t time.Time) Time { return Time{t.UTC().Truncate(time.Millisecond)} }

// MarshalJSON writes seconds with three decimals.
func (t Time) MarshalJSON() ([]byte, error) {
	if t.IsZero() {
		return []byte("null"), nil
	}
	return strconv.AppendFloat(nil, float64(t.UnixMilli())/1000, 'f', 3, 64), nil
}

// UnmarshalJSON reads a number of seconds; an RFC 3339 string is accepted too.
func (t *Time) UnmarshalJSON(b []byte) error {
	if string(b) == "null" {
		return nil
	}
	var v any
	if err := json.Unmarshal(b, &v); err != nil {
		return err
	}
	switch x := v.(type) {
	case float64:
		if math.Abs(x) > 1e12 {
			return fmt.Errorf("timestamp %s is not a number of seconds since the epoch", b)
		}
		*t = Time{time.UnixMilli(int64(math.Round(x * 1000))).UTC()}
		return nil
	case string:
		at, err := time.Parse(time.RFC3339Nano, x)
		if err != nil {
			return fmt.Errorf("timestamp %q: %w", x, err)
		}
		*t = At(at)
		return nil
	}
	return fmt.Errorf("timestamp %s is not a number", b)
}

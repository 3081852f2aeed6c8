package ecsapi

import (
	"encoding/json"
	"strconv"
	"time"
	"unicode/utf8"
)

// Text limits of the service in bytes.
const (
	maxReason = 1024
	maxID     = 255 // runtime ids and image digests
)

// cut shortens s to at most limit bytes without splitting a UTF-8 character.
func cut(s string, limit int) string {
	if len(s) <= limit {
		return s
	}
	end := limit
	for end > 0 && limit-end < utf8.UTFMax-1 && !utf8.RuneStart(s[end]) {
		end--
	}
	return s[:end]
}

// epoch is a time on the wire: seconds since 1970 as a JSON number with up to three decimals.
type epoch time.Time

// epochOf is nil for the zero time, so that the member is left out.
func epochOf(t time.Time) *epoch {
	if t.IsZero() {
		return nil
	}
	e := epoch(t)
	return &e
}

func (e epoch) MarshalJSON() ([]byte, error) {
	return strconv.AppendFloat(nil, float64(time.Time(e).UnixMilli())/1000, 'f', -1, 64), nil
}

func (e *epoch) UnmarshalJSON(text []byte) error {
	var seconds float64
	if err := json.Unmarshal(text, &seconds); err != nil {
		return err
	}
	*e = epoch(time.UnixMilli(int64(seconds*1000 + 0.5)).UTC())
	return nil
}

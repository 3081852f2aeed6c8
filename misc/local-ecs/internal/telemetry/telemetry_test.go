package telemetry

import "testing"

func TestBody(t *testing.T) {
	for frame, want := range map[string]string{
		`{"a":1}`:                          `{"a":1}`,
		"\r\n\r\n{}":                       "{}",
		"Host: h\r\nX: y\r\n\r\n{\"a\":2}": `{"a":2}`,
		"Host: h\n\n{}":                    "{}",
		"garbage":                          "garbage",
		"":                                 "",
	} {
		if got := string(body([]byte(frame))); got != want {
			t.Errorf("%q: %q, want %q", frame, got, want)
		}
	}
}

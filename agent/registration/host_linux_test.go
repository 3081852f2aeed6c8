package registration

import "testing"

func TestMemTotal(t *testing.T) {
	for text, want := range map[string]int64{
		"MemTotal:       16343040 kB\nMemFree: 1 kB\n": 15960,
		"MemFree: 1 kB\nMemTotal:\t2047 kB\n":          1,
	} {
		if got, err := memTotalMiB([]byte(text)); err != nil || got != want {
			t.Errorf("%q: got %d, %v; want %d", text, got, err, want)
		}
	}
	for _, text := range []string{"", "MemFree: 1 kB", "MemTotal: many kB", "MemTotal: -5 kB"} {
		if _, err := memTotalMiB([]byte(text)); err == nil {
			t.Errorf("%q: want an error", text)
		}
	}
}

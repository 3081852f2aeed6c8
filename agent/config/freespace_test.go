package config

import "testing"

func TestFreeSpace(t *testing.T) {
	for text, want := range map[string]FreeSpace{
		"15%": {Percent: 15}, "1 %": {Percent: 1}, "99%": {Percent: 99}, "1": {Bytes: 1}, "20GiB": {Bytes: 20 << 30}, "3 TiB": {Bytes: 3 << 40},
		"5MiB": {Bytes: 5 << 20}, "7KiB": {Bytes: 7 << 10},
	} {
		got, err := parseFreeSpace(text)
		if err != nil || got != want {
			t.Errorf("%q: %+v, %v", text, got, err)
		}
		if again, err := parseFreeSpace(got.String()); err != nil || again != want {
			t.Errorf("%q written as %q", text, got)
		}
	}
	for _, text := range []string{"", "0", "0%", "100%", "-1%", "-5", "1.5GiB", "20GB", "GiB", "%", "99999999999999999999", "9999999999TiB", "20 G"} {
		if got, err := parseFreeSpace(text); err == nil {
			t.Errorf("%q: %+v", text, got)
		}
	}
	for _, tt := range []struct {
		space      FreeSpace
		size, want uint64
	}{{FreeSpace{Percent: 10}, 1000, 100}, {FreeSpace{Percent: 99}, 1 << 63, 1 << 63 / 100 * 99}, {FreeSpace{Bytes: 7}, 1000, 7}, {FreeSpace{}, 1000, 0}} {
		if got := tt.space.Of(tt.size); got != tt.want {
			t.Errorf("%v of %d: %d, want %d", tt.space, tt.size, got, tt.want)
		}
	}
}

package store

import (
	"bytes"
	"errors"
	"testing"
)

func TestVersionsCompareFromTheLeft(t *testing.T) {
	tests := []struct {
		a, b             string
		less, comparable bool
	}{
		{"1.9.0", "1.10.0", true, true},
		{"2.0.0", "1.5.0", false, true},
		{"1.5.9", "2.0.0", true, true},
		{"1.105.1", "1.105.1", false, true},
		{"1.0.0", "1.0.1", true, true},
		{"", "1.0.0", false, false},
		{"1.0", "1.0.0", false, false},
		{"1.0.x", "1.0.0", false, false},
		{"-1.0.0", "1.0.0", false, false},
	}
	for _, tc := range tests {
		if less, comparable := versionLess(tc.a, tc.b); less != tc.less || comparable != tc.comparable {
			t.Errorf("%q < %q: %v, %v; want %v, %v", tc.a, tc.b, less, comparable, tc.less, tc.comparable)
		}
	}
}

func TestMigrationsApplyToOlderWritersInOrder(t *testing.T) {
	add := func(b byte) func([]byte) ([]byte, error) {
		return func(r []byte) ([]byte, error) { return append(bytes.Clone(r), b), nil }
	}
	chain := []migration{{"1.0.0", add('a')}, {"1.2.0", add('b')}, {"2.0.0", add('c')}}
	for writer, want := range map[string]string{"0.9.0": "-abc", "1.0.0": "-bc", "1.10.0": "-c", "2.0.0": "-", "": "-", "dev": "-"} {
		got, err := migrate(chain, writer, []byte("-"))
		if err != nil || string(got) != want {
			t.Errorf("writer %q: %s, %v; want %s", writer, got, err, want)
		}
	}
	broken := []migration{{"1.0.0", func([]byte) ([]byte, error) { return nil, errors.New("no") }}}
	if _, err := migrate(broken, "0.1.0", nil); err == nil {
		t.Error("a failing migration passed")
	}
}

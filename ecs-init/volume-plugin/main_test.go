package main

import (
	"strings"
	"testing"
)

// Asking the plugin what it is does not start it.
func TestCommandLine(t *testing.T) {
	for arg, want := range map[string]struct {
		code   int
		stderr string
	}{
		"-h":     {exitOK, usage},
		"--help": {exitOK, usage},
		"-x":     {exitFlag, "flag provided but not defined: -x\n" + usage},
	} {
		var stderr strings.Builder
		if code := run([]string{arg}, &stderr); code != want.code || stderr.String() != want.stderr {
			t.Errorf("%s: code %d, %q", arg, code, stderr.String())
		}
	}
}

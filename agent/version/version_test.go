package version

import (
	"os"
	"strings"
	"testing"
)

// An unstamped build (go build, go run) tells the same version as a release.
func TestVersionIsThatOfTheRelease(t *testing.T) {
	text, err := os.ReadFile("../../VERSION")
	if err != nil {
		t.Fatal(err)
	}
	if want := strings.TrimSpace(string(text)); Version != want {
		t.Errorf("version %s, the file VERSION says %s", Version, want)
	}
}

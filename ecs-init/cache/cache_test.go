package cache

import (
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/aws/amazon-ecs-agent/agent/goldenfile"
)

func emptyCache(t *testing.T) (d Dir, root string) {
	t.Helper()
	root = t.TempDir()
	d = At(root)
	if err := os.MkdirAll(d.Path(), 0o700); err != nil {
		t.Fatal(err)
	}
	return d, root
}

func put(t *testing.T, d Dir, name, content string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(d.Path(), name), []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
}

func TestStatus(t *testing.T) {
	var cases []struct {
		State     *string
		ImageSize int
		Status    string
	}
	goldenfile.Read(t, "testdata/status.json", &cases)
	names := map[Status]string{Uncached: "uncached", Cached: "cached", ReloadNeeded: "reload-needed"}
	for _, c := range cases {
		d, _ := emptyCache(t)
		if c.State != nil {
			put(t, d, stateName, *c.State)
		}
		if c.ImageSize > 0 {
			put(t, d, imageName, strings.Repeat("x", c.ImageSize))
		}
		got, known := names[d.Status()]
		if !known {
			got = "unknown"
		}
		if got != c.Status {
			t.Errorf("state %v, image of %d bytes: %s, want %s", c.State, c.ImageSize, got, c.Status)
		}
	}
}

func TestADanglingLinkIsNoImage(t *testing.T) {
	d, _ := emptyCache(t)
	put(t, d, stateName, "1")
	if err := os.Symlink("ecs-agent-v1.tar", d.Image()); err != nil {
		t.Fatal(err)
	}
	if got := d.Status(); got != Uncached {
		t.Errorf("status %d", got)
	}
	put(t, d, "ecs-agent-v1.tar", "x")
	if got := d.Status(); got != Cached {
		t.Errorf("status %d", got)
	}
}

func TestTextAfterTheNumberIsIgnored(t *testing.T) {
	for text, want := range map[string]Status{"2 reload": ReloadNeeded, "\n1": Cached, "1x": Cached, "-1": Uncached, "99999999999999999999": Uncached} {
		if got := parseStatus(text); got != want {
			t.Errorf("%q: %d, want %d", text, got, want)
		}
	}
}

func TestSetCached(t *testing.T) {
	d, _ := emptyCache(t)
	if err := d.SetCached(); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(d.Path(), stateName)
	content, err := os.ReadFile(path)
	if err != nil || string(content) != "1" {
		t.Errorf("%q, %v", content, err)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	put(t, d, stateName, "2 and much more")
	if err := d.SetCached(); err != nil {
		t.Fatal(err)
	}
	if content, _ := os.ReadFile(path); string(content) != "1" {
		t.Errorf("%q", content)
	}
}

func TestOpenDesired(t *testing.T) {
	var cases []struct {
		Content      *string
		Opens, Error string
	}
	goldenfile.Read(t, "testdata/desired-image.json", &cases)
	for _, c := range cases {
		d, root := emptyCache(t)
		if c.Content != nil {
			put(t, d, desiredName, *c.Content)
		}
		if c.Opens != "" {
			put(t, d, filepath.Base(c.Opens), "image")
		}
		file, err := d.OpenDesired()
		if c.Error != "" {
			if err == nil || strings.ReplaceAll(err.Error(), root, "") != c.Error {
				t.Errorf("%v: error %v, want %s", c.Content, err, c.Error)
			}
			continue
		}
		if err != nil || file.Name() != filepath.Join(root, c.Opens) {
			t.Errorf("%q: %v, want %s", *c.Content, err, c.Opens)
			continue
		}
		if content, _ := io.ReadAll(file); string(content) != "image" {
			t.Errorf("%q: content %q", *c.Content, content)
		}
		_ = file.Close()
	}
}

func TestDropStagedLeavesTheCachedImage(t *testing.T) {
	d, _ := emptyCache(t)
	for _, name := range []string{desiredName, "0123.ecs-update.tar", "4567.ecs-update.tar", imageName, stateName} {
		put(t, d, name, "x")
	}
	for range 2 {
		if err := d.DropStaged(); err != nil {
			t.Fatal(err)
		}
	}
	left, err := os.ReadDir(d.Path())
	if err != nil || len(left) != 2 || left[0].Name() != imageName || left[1].Name() != stateName {
		t.Errorf("%v, %v", left, err)
	}
}

func FuzzParseStatus(f *testing.F) {
	f.Add("2\n")
	f.Fuzz(func(t *testing.T, text string) {
		if s := parseStatus(text); s < 0 || s > 255 {
			t.Errorf("%q: %d", text, s)
		}
	})
}

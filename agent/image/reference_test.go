package image

import (
	"testing"

	"github.com/aws/amazon-ecs-agent/agent/goldenfile"
)

func TestReferences(t *testing.T) {
	var cases struct {
		DigestInReference []struct{ Image, Digest string }
		Canonical         []struct{ Image, Digest, Expected, Error string }
		RepoDigest        []struct {
			Image, Expected, Error string
			RepoDigests            []string
		}
		SpelledDigest []struct {
			Image, Digest string
			RepoDigests   []string
		}
	}
	goldenfile.Read(t, "testdata/references.json", &cases)
	for _, c := range cases.DigestInReference {
		if got := digestInReference(c.Image); got != c.Digest {
			t.Errorf("digest in %q: %q, want %q", c.Image, got, c.Digest)
		}
	}
	for _, c := range cases.Canonical {
		got, err := canonical(c.Image, c.Digest)
		if got != c.Expected || text(err) != c.Error {
			t.Errorf("canonical %q, %q: %q, %v; want %q, %s", c.Image, c.Digest, got, err, c.Expected, c.Error)
		}
	}
	for _, c := range cases.RepoDigest {
		got, err := repoDigest(c.Image, c.RepoDigests)
		if got != c.Expected || text(err) != c.Error {
			t.Errorf("repo digest of %q in %q: %q, %v; want %q, %s", c.Image, c.RepoDigests, got, err, c.Expected, c.Error)
		}
	}
	for _, c := range cases.SpelledDigest {
		if got := spelledDigest(c.Image, c.RepoDigests); got != c.Digest {
			t.Errorf("spelled digest of %q in %q: %q, want %q", c.Image, c.RepoDigests, got, c.Digest)
		}
	}
	if len(cases.DigestInReference) == 0 || len(cases.Canonical) == 0 || len(cases.RepoDigest) == 0 || len(cases.SpelledDigest) == 0 {
		t.Error("test data is missing")
	}
}

func text(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

func TestNormalNames(t *testing.T) {
	for image, want := range map[string]string{
		"busybox": "docker.io/library/busybox:latest", "docker.io/library/busybox:latest": "docker.io/library/busybox:latest",
		"registry:5000/a": "registry:5000/a:latest", "a@" + digestA: "docker.io/library/a@" + digestA, "not valid": "not valid",
	} {
		if got := normal(image); got != want {
			t.Errorf("%q: %q, want %q", image, got, want)
		}
	}
}

func FuzzReferences(f *testing.F) {
	f.Add("alpine:1@"+digestA, digestB, "a@"+digestA)
	f.Add("a/../b", "x", "")
	f.Fuzz(func(t *testing.T, image, imageDigest, entry string) {
		if own := digestInReference(image); own != "" {
			if _, err := canonical(image, own); err != nil {
				t.Errorf("%q has digest %s but no canonical form: %v", image, own, err)
			}
		}
		if ref, err := canonical(image, imageDigest); err == nil && digestInReference(ref) != imageDigest {
			t.Errorf("canonical form %q of %q lost digest %q", ref, image, imageDigest)
		}
		_, _ = repoDigest(image, []string{entry})
		_ = spelledDigest(image, []string{entry})
		if once := normal(image); normal(once) != once {
			t.Errorf("normal form %q of %q is not stable", once, image)
		}
	})
}

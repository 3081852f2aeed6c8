package image

import (
	"fmt"
	"strings"

	"github.com/distribution/reference"
	"github.com/opencontainers/go-digest"
)

// digestInReference is the digest that an image reference carries itself; empty when it has none or is not a reference.
func digestInReference(image string) string {
	ref, err := reference.Parse(image)
	if err != nil {
		return ""
	}
	if digested, ok := ref.(reference.Digested); ok {
		return digested.Digest().String()
	}
	return ""
}

// canonical is the reference to pull an image by digest: the name as it was written, without tag and digest of its own.
func canonical(image, imageDigest string) (string, error) {
	parsed, err := digest.Parse(imageDigest)
	if err != nil {
		return "", fmt.Errorf("failed to parse image digest '%s': %w", imageDigest, err)
	}
	ref, err := reference.Parse(image)
	if err != nil {
		return "", fmt.Errorf("failed to parse image reference '%s': %w", image, err)
	}
	named, ok := ref.(reference.Named)
	if !ok {
		return "", fmt.Errorf("failed to parse image reference '%s': it has no name", image)
	}
	withDigest, err := reference.WithDigest(reference.TrimNamed(named), parsed)
	if err != nil {
		return "", fmt.Errorf("failed to parse image reference '%s': %w", image, err)
	}
	return withDigest.String(), nil
}

// repoDigest finds the digest of the image's own repository among those of a local image. Spellings of Docker Hub
// ("alpine", "docker.io/library/alpine") are equal; tag and digest of the reference do not matter.
func repoDigest(image string, repoDigests []string) (string, error) {
	want, err := reference.ParseNormalizedNamed(image)
	if err != nil {
		return "", fmt.Errorf("failed to parse image reference '%s': %w", image, err)
	}
	for _, entry := range repoDigests {
		ref, err := reference.ParseNormalizedNamed(entry)
		if err != nil || ref.Name() != want.Name() {
			continue
		}
		if digested, ok := ref.(reference.Digested); ok {
			return digested.Digest().String(), nil
		}
	}
	return "", fmt.Errorf("found no repo digest matching '%s'", image)
}

// spelledDigest is the digest of the first entry that begins with the image's name as it is written.
func spelledDigest(image string, repoDigests []string) string {
	name, _, _ := strings.Cut(image, ":")
	for _, entry := range repoDigests {
		if !strings.HasPrefix(entry, name) {
			continue
		}
		if _, found, ok := strings.Cut(entry, "@"); ok {
			return found
		}
	}
	return ""
}

// normal gives all spellings of one reference the same form; what is no reference stays as it is.
func normal(image string) string {
	ref, err := reference.ParseNormalizedNamed(image)
	if err != nil {
		return image
	}
	return reference.TagNameOnly(ref).String()
}

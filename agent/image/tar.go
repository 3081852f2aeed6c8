package image

import (
	"archive/tar"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"slices"

	"github.com/aws/amazon-ecs-agent/agent/docker"
)

// Loader is what loading images from files needs of the Docker engine.
type Loader interface {
	LoadImage(ctx context.Context, tar io.Reader) error
	InspectImage(ctx context.Context, name string) (docker.Image, error)
}

// LoadTar loads the image file at path (docker save) and checks that it brought the image name. It is not loaded again
// while the name stands for the same image: Docker takes long for it. A missing file gives an error that is fs.ErrNotExist.
func LoadTar(ctx context.Context, d Loader, path, name string) error {
	file, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("container load: failed to read container image: %s : %w", path, err)
	}
	defer file.Close()
	if id := idInTar(file, name); id != "" {
		if info, err := d.InspectImage(ctx, name); err == nil && info.ID == id {
			return nil
		}
	}
	if _, err := file.Seek(0, io.SeekStart); err != nil {
		return fmt.Errorf("container load: failed to read container image: %s : %w", path, err)
	}
	if err := d.LoadImage(ctx, file); err != nil {
		return fmt.Errorf("container load: failed to load container image: %s : %w", path, err)
	}
	loaded, err := Loaded(ctx, d, name)
	if err == nil && !loaded {
		err = fmt.Errorf("container load: failed to inspect image: %s, : the engine gives it no ID", name)
	}
	return err
}

// largestConfig bounds what of an image file is looked at as JSON.
const largestConfig = 1 << 20

// idInTar is the id that the image name of an image file gets in Docker: the digest of its configuration. It is empty when
// the file does not tell.
func idInTar(file io.Reader, name string) string {
	small := map[string][]byte{}
	for r := tar.NewReader(file); ; {
		header, err := r.Next()
		if err != nil {
			break // the end, or no image file: Docker says what is wrong with it
		}
		if header.Size > largestConfig {
			continue
		}
		if small[header.Name], err = io.ReadAll(r); err != nil {
			break
		}
	}
	var images []struct {
		Config   string
		RepoTags []string
	}
	if json.Unmarshal(small["manifest.json"], &images) != nil {
		return ""
	}
	for _, image := range images {
		if config, found := small[image.Config]; found && slices.Contains(image.RepoTags, name) {
			sum := sha256.Sum256(config)
			return "sha256:" + hex.EncodeToString(sum[:])
		}
	}
	return ""
}

// Loaded reports whether the image name is on the host.
func Loaded(ctx context.Context, d Loader, name string) (bool, error) {
	info, err := d.InspectImage(ctx, name)
	if err != nil {
		return false, fmt.Errorf("container load: failed to inspect image: %s, : %w", name, err)
	}
	return info.ID != "", nil
}

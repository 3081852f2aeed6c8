package image

import (
	"context"
	"fmt"
	"io"
	"os"

	"github.com/aws/amazon-ecs-agent/agent/docker"
)

// Loader is what loading images from files needs of the Docker engine.
type Loader interface {
	LoadImage(ctx context.Context, tar io.Reader) error
	InspectImage(ctx context.Context, name string) (docker.Image, error)
}

// LoadTar loads the image file at path (docker save) and checks that it brought the image name. A missing file gives an
// error that is fs.ErrNotExist.
func LoadTar(ctx context.Context, d Loader, path, name string) error {
	file, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("container load: failed to read container image: %s : %w", path, err)
	}
	defer file.Close()
	if err := d.LoadImage(ctx, file); err != nil {
		return fmt.Errorf("container load: failed to load container image: %s : %w", path, err)
	}
	loaded, err := Loaded(ctx, d, name)
	if err == nil && !loaded {
		err = fmt.Errorf("container load: failed to inspect image: %s, : the engine gives it no ID", name)
	}
	return err
}

// Loaded reports whether the image name is on the host.
func Loaded(ctx context.Context, d Loader, name string) (bool, error) {
	info, err := d.InspectImage(ctx, name)
	if err != nil {
		return false, fmt.Errorf("container load: failed to inspect image: %s, : %w", name, err)
	}
	return info.ID != "", nil
}

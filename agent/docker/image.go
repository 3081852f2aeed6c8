package docker

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"time"

	"github.com/docker/docker/api/types/image"

	"github.com/aws/amazon-ecs-agent/agent/task"
)

// Image is an image on this host.
type Image struct {
	ID          string // sha256:…
	Tags        []string
	RepoDigests []string // repository@sha256:…
	Size        int64    // bytes
	Created     time.Time
	Env         []string // KEY=value of the image configuration; only from InspectImage
}

// InspectImage asks for one image by name, digest reference or id. Errors have no name, but for DockerTimeoutError.
func (c *Client) InspectImage(ctx context.Context, name string) (Image, error) {
	if err := checkImage(name); err != nil {
		return Image{}, err
	}
	s := step{doing: "inspecting", limit: imageInspectLimit}
	answer, err := guarded(ctx, s, func(ctx context.Context) (image.InspectResponse, error) {
		return c.api.ImageInspect(ctx, name)
	})
	if err != nil {
		return Image{}, err
	}
	i := Image{
		ID: answer.ID, Tags: named(answer.RepoTags), RepoDigests: answer.RepoDigests, Size: answer.Size,
		Created: dockerTime(answer.Created),
	}
	if answer.Config != nil {
		i.Env = answer.Config.Env
	}
	return i, nil
}

// ListImages lists the images of this host without intermediate ones. Errors: CannotListImagesError,
// DockerTimeoutError.
func (c *Client) ListImages(ctx context.Context) ([]Image, error) {
	s := step{name: task.ErrCannotListImages, doing: "listing", limit: listLimit}
	list, err := guarded(ctx, s, func(ctx context.Context) ([]image.Summary, error) {
		return c.api.ImageList(ctx, image.ListOptions{})
	})
	if err != nil {
		return nil, err
	}
	images := make([]Image, len(list))
	for i, entry := range list {
		images[i] = Image{ID: entry.ID, Tags: named(entry.RepoTags), RepoDigests: entry.RepoDigests, Size: entry.Size}
		if entry.Created > 0 {
			images[i].Created = time.Unix(entry.Created, 0)
		}
	}
	return images, nil
}

// named drops the entry older daemons use for an image without names.
func named(tags []string) []string {
	if len(tags) == 1 && tags[0] == "<none>:<none>" {
		return nil
	}
	return tags
}

// RemoveImage removes a name, or by id an image that has at most one; parents stay. Errors have no name, but for
// DockerTimeoutError.
func (c *Client) RemoveImage(ctx context.Context, nameOrID string) error {
	if nameOrID == "" {
		return errors.New("invalid image name or ID: value is empty")
	}
	if err := checkImage(nameOrID); err != nil {
		return err
	}
	return guardedDo(ctx, step{doing: "removing image", limit: removeImageLimit}, func(ctx context.Context) error {
		_, err := c.api.ImageRemove(ctx, nameOrID, image.RemoveOptions{})
		return err
	})
}

// TagImage gives the image source the name target. The time limit is the caller's (ctx); errors have no name.
func (c *Client) TagImage(ctx context.Context, source, target string) error {
	return c.api.ImageTag(ctx, source, target)
}

// LoadImage loads the images of a tar archive (docker save). Errors have no name, but for DockerTimeoutError.
func (c *Client) LoadImage(ctx context.Context, tar io.Reader) error {
	return guardedDo(ctx, step{doing: "loading image", limit: loadLimit}, func(ctx context.Context) error {
		answer, err := c.api.ImageLoad(ctx, tar)
		if err != nil {
			return err
		}
		defer answer.Body.Close()
		if !answer.JSON {
			_, err = io.Copy(io.Discard, answer.Body)
			return err
		}
		return eachProgress(answer.Body, func(progress) {})
	})
}

// progress is one object of the stream that pulls and loads answer with.
type progress struct {
	ID       string `json:"id"`
	Status   string `json:"status"`
	Progress string `json:"progress"` // a bar for people
	Error    string `json:"error"`
	Detail   struct {
		Current int64 `json:"current"` // bytes
	} `json:"progressDetail"`
}

// eachProgress reads such a stream to its end. An object with an error, or something that is not JSON, ends it.
func eachProgress(r io.Reader, see func(progress)) error {
	decoder := json.NewDecoder(r)
	for {
		var p progress
		switch err := decoder.Decode(&p); {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return err
		case p.Error != "":
			return errors.New(p.Error)
		}
		see(p)
	}
}

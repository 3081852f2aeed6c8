// Package image brings the images of containers onto the host, with the credentials they need, remembers who uses which
// image, and removes those that nobody uses any more.
package image

import (
	"context"
	"errors"
	"time"

	"github.com/aws/amazon-ecs-agent/agent/config"
	"github.com/aws/amazon-ecs-agent/agent/docker"
	"github.com/aws/amazon-ecs-agent/agent/flight"
	"github.com/aws/amazon-ecs-agent/agent/logger"
	"github.com/aws/amazon-ecs-agent/agent/task"
	"github.com/aws/amazon-ecs-agent/agent/turnstile"
)

// Docker is what pulling needs of the Docker engine.
type Docker interface {
	Manifest(ctx context.Context, image string, auth docker.Auth) (docker.Manifest, error)
	Pull(ctx context.Context, r docker.PullRequest) error
	TagImage(ctx context.Context, source, target string) error
	InspectImage(ctx context.Context, name string) (docker.Image, error)
}

// Puller carries out the two image steps of containers. It is safe for concurrent use.
type Puller struct {
	docker  Docker
	auth    Auth
	engine  engineAuth
	records *records
	gate    gate
	local   localImages

	behavior config.ImagePullBehavior
	// makeRoom is called before a pull; nil: the disk may fill up.
	makeRoom func(context.Context)
	// prepull are the images of ECS_PREPULL_IMAGES.
	prepull        []string
	prepullsAtOnce int
	// tellMissing: the engine wants to know at once that what could not be pulled is not on the host either.
	tellMissing                             bool
	pullLimit, manifestLimit, inactiveLimit time.Duration

	manifests flight.Group[docker.Manifest]
	pulls     flight.Group[docker.Image] // by the name in the task
	downloads flight.Group[struct{}]     // by what is pulled: several names may mean one thing
	turns     *turnstile.Turnstile       // of downloads
}

// New gives a Puller that keeps its records in store. Restore fills them after a restart.
func New(cfg *config.Config, d Docker, store Store, auth Auth) *Puller {
	atOnce := prepullsAtOnce
	if cfg.MaxConcurrentPulls > 0 {
		atOnce = min(atOnce, cfg.MaxConcurrentPulls)
	}
	return &Puller{
		docker: d, auth: auth, engine: readEngineAuth(cfg.EngineAuthType, cfg.EngineAuthData),
		records: &records{store: store, byID: map[string]*Record{}}, local: localImages{docker: d},
		behavior:    cfg.ImagePullBehavior,
		tellMissing: cfg.DependentContainersPullUpfront && cfg.ImagePullBehavior != config.ImagePullAlways,
		prepull:     cfg.PrepullImages, prepullsAtOnce: atOnce,
		turns:     turnstile.New(cfg.MaxConcurrentPulls, 0),
		pullLimit: cfg.ImagePullTimeout, manifestLimit: cfg.ManifestPullTimeout, inactiveLimit: cfg.ImagePullInactivityTimeout,
	}
}

// Restore reads the records of an earlier run.
func (p *Puller) Restore() error { return p.records.load() }

// Released notes that nothing is left of a task: until now it used its images.
func (p *Puller) Released(t *task.Task) {
	p.records.inUse(usageOf(UsedBy([]*task.Task{t})), time.Now())
}

// Media types of manifests whose digest cannot be pulled.
const (
	manifestV1       = "application/vnd.docker.distribution.manifest.v1+json"
	manifestV1Signed = "application/vnd.docker.distribution.manifest.v1+prettyjws"
)

// ResolveManifest finds the digest of the container's image (step MANIFEST_PULLED). Success without a digest means that
// there is none to be found: an image of the agent's own, one built on this host, an old manifest or an old daemon.
// Errors: CannotPullImageManifestError, DockerTimeoutError, and those of credentials.
func (p *Puller) ResolveManifest(ctx context.Context, t *task.Task, c *task.Container) (task.Manifest, error) {
	if c.Internal() {
		return task.Manifest{}, nil
	}
	if own := digestInReference(c.Image); own != "" {
		return task.Manifest{Digest: own}, nil
	}
	if !p.mustPull(ctx, c.Image) {
		return p.localManifest(ctx, c.Image)
	}
	auth, err := p.credentials(ctx, t, c)
	if err != nil {
		return task.Manifest{}, err
	}
	answer, err := p.manifests.Do(ctx, c.Image+"\n"+auth.Header(), func(ctx context.Context) (docker.Manifest, error) {
		return p.askRegistry(ctx, c.Image, auth)
	})
	switch {
	case errors.Is(err, errors.ErrUnsupported):
		logger.Warn("Cannot find the digest of the image; pulling by name", logger.F("image", c.Image), logger.Err(err))
		return task.Manifest{}, nil
	case err != nil:
		p.refused(c, auth, err)
		return task.Manifest{}, redacted(err, task.ErrCannotPullImageManifest, c.Image)
	case answer.MediaType == manifestV1 || answer.MediaType == manifestV1Signed:
		return task.Manifest{}, nil
	}
	return task.Manifest{Digest: answer.Digest}, nil
}

// mustPull decides by ECS_IMAGE_PULL_BEHAVIOR.
func (p *Puller) mustPull(ctx context.Context, image string) bool {
	switch p.behavior {
	case config.ImagePullOnce:
		return !p.records.pulled(image)
	case config.ImagePullPreferCached:
		_, err := p.local.inspect(ctx, image)
		return err != nil
	default:
		return true
	}
}

func (p *Puller) localManifest(ctx context.Context, image string) (task.Manifest, error) {
	info, err := p.local.inspect(ctx, image)
	if err != nil {
		return task.Manifest{}, redacted(err, task.ErrCannotPullImageManifest, image)
	}
	if len(info.RepoDigests) == 0 {
		return task.Manifest{}, nil
	}
	found, err := repoDigest(image, info.RepoDigests)
	if err != nil {
		return task.Manifest{}, &task.Error{Name: task.ErrCannotPullImageManifest, Cause: err,
			Message: "failed to find a repo digest matching '" + image + "'"}
	}
	return task.Manifest{Digest: found}, nil
}

func (p *Puller) askRegistry(ctx context.Context, image string, auth docker.Auth) (docker.Manifest, error) {
	limited, cancel := context.WithTimeout(ctx, p.manifestLimit)
	defer cancel()
	var answer docker.Manifest
	failed := manifestRetry.do(limited, "Finding the digest of an image", image, func(ctx context.Context) *task.Error {
		var err error
		if answer, err = p.docker.Manifest(ctx, image, auth); err != nil {
			return redacted(err, task.ErrCannotPullImageManifest, image)
		}
		return nil
	})
	return answer, limitError(ctx, limited, failed, "MANIFEST_PULLED", p.manifestLimit)
}

// limitError turns a failure that came with the end of the limit into the timeout users know.
func limitError(ctx, limited context.Context, failed *task.Error, doing string, limit time.Duration) error {
	switch {
	case failed == nil:
		return nil
	case ctx.Err() == nil && errors.Is(limited.Err(), context.DeadlineExceeded):
		return docker.Timeout(doing, limit)
	default:
		return failed
	}
}

// Pull gets the container's image onto the host (step PULLED). Concurrent pulls of one image with the same credentials
// are one. The result has the image's id whenever the image is on the host in the end, also with an error; its times are
// set when there was something to pull. Errors: CannotPullContainerError, CannotPullECRContainerError,
// CannotPullContainerAuthError, DockerTimeoutError, TaskStoppedBeforePullBeginError.
func (p *Puller) Pull(ctx context.Context, t *task.Task, c *task.Container) (task.PullResult, error) {
	if c.Internal() {
		return task.PullResult{}, nil
	}
	if p.makeRoom != nil && !t.Desired.Terminal() && p.mustPull(ctx, c.Image) {
		p.makeRoom(ctx) // before the gate: older versions of the image may go
	}
	leave, err := p.gate.enter(ctx, c.Image)
	if err != nil {
		return task.PullResult{}, stoppedBeforePull(t)
	}
	defer leave()
	if !p.mustPull(ctx, c.Image) {
		var result task.PullResult
		info, err := p.local.inspect(ctx, c.Image)
		p.use(&result, c, info, err, false)
		return result, nil
	}
	result := task.PullResult{StartedAt: time.Now()}
	if t.Desired.Terminal() {
		result.FinishedAt = time.Now()
		return result, stoppedBeforePull(t)
	}
	source, info, failed := p.pull(ctx, t, c)
	result.FinishedAt = time.Now()
	if failed == nil {
		p.use(&result, c, info, nil, true)
		return result, nil
	}
	if ctx.Err() == nil {
		info, err = p.local.inspect(ctx, c.Image)
		p.use(&result, c, info, err, false)
		result.Missing = p.tellMissing && p.missing(ctx, source)
	}
	return result, failed
}

// missing looks for what could not be pulled: by digest, if that is how it was pulled.
func (p *Puller) missing(ctx context.Context, source string) bool {
	_, err := p.local.inspect(ctx, source)
	return err != nil
}

func stoppedBeforePull(t *task.Task) *task.Error {
	return &task.Error{Name: task.ErrTaskStoppedBeforePull,
		Message: "Task stopped before image pull could begin for task: " + t.ARN}
}

// use records that a container uses the image, and puts what the host knows of it into the result.
func (p *Puller) use(result *task.PullResult, c *task.Container, info docker.Image, inspectErr error, pulled bool) {
	switch {
	case c.Image == "":
		logger.Error("Invalid container reference: Empty image name")
		return
	case inspectErr != nil:
		logger.Error("Cannot inspect the image of a container", logger.F("image", c.Image), logger.Err(inspectErr))
		return
	case info.ID == "":
		return // pulled, but the inspect failed; that is logged
	}
	p.records.use(c.Image, info, pulled, time.Now())
	result.ImageID = info.ID
	if c.ImageDigest == "" {
		result.Digest = spelledDigest(c.Image, info.RepoDigests)
	}
}

// pull gives what it pulled (a reference), and the image as it is on the host after the pull.
func (p *Puller) pull(ctx context.Context, t *task.Task, c *task.Container) (source string, info docker.Image, failed error) {
	auth, err := p.credentials(ctx, t, c)
	if err != nil {
		return c.Image, docker.Image{}, hinted(redacted(err, task.ErrCannotPullContainer, c.Image))
	}
	source, byDigest := c.Image, false
	if c.ImageDigest != "" {
		if source, err = canonical(c.Image, c.ImageDigest); err != nil {
			return c.Image, docker.Image{}, &task.Error{Name: task.ErrCannotPullContainer, Cause: err,
				Message: "failed to prepare a canonical reference with image '" + c.Image + "' and digest '" + c.ImageDigest + "': " + err.Error()}
		}
		byDigest = digestInReference(c.Image) == ""
	}
	name := c.Image
	info, err = p.pulls.Do(ctx, name+"\n"+source+"\n"+auth.Header(), func(ctx context.Context) (docker.Image, error) {
		_, err := p.downloads.Do(ctx, normal(source)+"\n"+auth.Header(), func(ctx context.Context) (struct{}, error) {
			leave, err := p.turns.Enter(ctx)
			if err != nil {
				return struct{}{}, err
			}
			defer leave()
			return struct{}{}, p.pullNow(ctx, source, auth, leave)
		})
		if err != nil {
			return docker.Image{}, err
		}
		if byDigest {
			if err := p.tag(ctx, source, name); err != nil {
				return docker.Image{}, err
			}
		}
		info, err := p.local.refresh(ctx, name)
		if err != nil { // pulled all the same; create will tell
			logger.Error("Cannot inspect the image that was pulled", logger.F("image", name), logger.Err(err))
		}
		return info, nil
	})
	if err != nil {
		p.refused(c, auth, err)
		return source, docker.Image{}, hinted(redacted(err, task.ErrCannotPullContainer, name))
	}
	return source, info, nil
}

// Turns tells how many pulls are under way and wait for others (ECS_MAX_CONCURRENT_PULLS).
func (p *Puller) Turns() turnstile.State { return p.turns.State() }

// pullNow calls stalled when the pull loads nothing: then it is no reason for others to wait.
func (p *Puller) pullNow(ctx context.Context, source string, auth docker.Auth, stalled func()) error {
	limited, cancel := context.WithTimeout(ctx, p.pullLimit)
	defer cancel()
	failed := pullRetry.do(limited, "Pulling an image", source, func(ctx context.Context) *task.Error {
		err := p.docker.Pull(ctx, docker.PullRequest{Image: source, Auth: auth, Inactivity: p.inactiveLimit, Stalled: stalled})
		if err != nil {
			return redacted(err, task.ErrCannotPullContainer, source)
		}
		return nil
	})
	return limitError(ctx, limited, failed, "pulled", p.pullLimit)
}

// tagLimit is for all attempts to give a pulled image its name.
const tagLimit = 30 * time.Second

// tag gives an image that was pulled by digest the name that the container will be created with.
func (p *Puller) tag(ctx context.Context, source, target string) error {
	limited, cancel := context.WithTimeout(ctx, tagLimit)
	defer cancel()
	failed := tagRetry.do(limited, "Tagging an image", target, func(ctx context.Context) *task.Error {
		if err := p.docker.TagImage(ctx, source, target); err != nil {
			return &task.Error{Name: task.ErrCannotPullContainer, Cause: err,
				Message: "failed to tag image '" + source + "' as '" + target + "': " + err.Error()}
		}
		return nil
	})
	return limitError(ctx, limited, failed, "pulled", tagLimit)
}

package docker

import (
	"context"
	"errors"
	"io"
	"strings"
	"sync/atomic"
	"time"

	"github.com/docker/docker/api/types/image"

	"github.com/aws/amazon-ecs-agent/agent/logger"
	"github.com/aws/amazon-ecs-agent/agent/task"
)

// PullRequest is one attempt to pull an image.
type PullRequest struct {
	// Image is a reference with a tag or digest; without, "latest" is pulled.
	Image string
	Auth  Auth
	// Inactivity is how long the stream may be silent: silence is noticed after one to two times this long.
	Inactivity time.Duration
	// Stalled is called when nothing has come for a while, once or more often; the pull goes on. Optional.
	Stalled func()
}

// stalledAfter is how long nothing comes of a pull until it counts as stalled.
const stalledAfter = 15 * time.Second

// errInactive is the text users know.
var errInactive = errors.New("inactivity time exceeded timeout while pulling image")

// Pull makes one attempt to pull an image. It ends when the image is there, the daemon reports an error, nothing at all
// comes for five minutes, or the stream goes silent. The limit on the whole is the caller's (ctx). A pull that was given
// up is cancelled in the daemon. Errors: CannotPullContainerError, DockerTimeoutError.
func (c *Client) Pull(ctx context.Context, r PullRequest) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	noBegin := Timeout("pullBegin", pullBeginLimit)
	begin := time.AfterFunc(pullBeginLimit, func() { cancel(noBegin) })
	defer begin.Stop()
	progressed := func() {}
	if r.Stalled != nil {
		stall := time.AfterFunc(stalledAfter, r.Stalled)
		defer stall.Stop()
		progressed = func() { stall.Reset(stalledAfter) }
	}
	err := c.pull(ctx, r, func() { begin.Stop(); progressed() }, cancel)
	switch cause := context.Cause(ctx); {
	case err == nil:
		return nil
	case cause == error(noBegin):
		return noBegin
	case errors.Is(cause, errInactive):
		return task.NewError(task.ErrCannotPullContainer, errInactive)
	default:
		return task.NewError(task.ErrCannotPullContainer, err)
	}
}

// pull calls came for each object, and cancel with errInactive when the stream goes silent.
func (c *Client) pull(ctx context.Context, r PullRequest, came func(), cancel context.CancelCauseFunc) (err error) {
	loaded, started := downloads{}, time.Now()
	if c.observer != nil {
		defer func() { c.observer.ImagePulled(time.Since(started), loaded.total(), err != nil) }()
	}
	body, err := c.api.ImagePull(ctx, r.Image, image.PullOptions{RegistryAuth: r.Auth.Header()})
	if err != nil {
		return err
	}
	defer body.Close()
	stream := watchReads(body, r.Inactivity, func() { cancel(errInactive) })
	defer stream.stop()
	log := pullLog{image: r.Image}
	return eachProgress(stream, func(p progress) {
		came()
		loaded.see(p)
		log.see(p, time.Now())
	})
}

// pullLog logs the progress of a pull; lines with a bar come many times a second and are thinned out.
type pullLog struct {
	image   string
	lastBar time.Time
}

const barLogInterval = 2 * time.Second

func (l *pullLog) see(p progress, now time.Time) {
	if strings.Contains(p.Status, "already being pulled by another client. Waiting.") {
		logger.Error("The image is being pulled by another client; if this stays, the daemon may hang",
			logger.F("image", l.image), logger.F("status", p.Status))
		return
	}
	if strings.Contains(p.Progress, "[=") {
		if now.Sub(l.lastBar) < barLogInterval {
			return
		}
		l.lastBar = now
	}
	if logger.Enabled(logger.LevelDebug) {
		logger.Debug("Pulling image", logger.F("image", l.image), logger.F("layer", p.ID), logger.F("status", p.Status))
	}
}

// watchedReader calls silent when nothing was read in a whole period.
type watchedReader struct {
	source io.Reader
	active atomic.Bool
	timer  *time.Timer
}

func watchReads(source io.Reader, period time.Duration, silent func()) *watchedReader {
	w := &watchedReader{source: source}
	ready := make(chan struct{})
	w.timer = time.AfterFunc(period, func() {
		<-ready
		if w.active.Swap(false) {
			w.timer.Reset(period)
			return
		}
		silent()
	})
	close(ready)
	return w
}

func (w *watchedReader) Read(p []byte) (int, error) {
	n, err := w.source.Read(p)
	if n > 0 {
		w.active.Store(true)
	}
	return n, err
}

func (w *watchedReader) stop() { w.timer.Stop() }

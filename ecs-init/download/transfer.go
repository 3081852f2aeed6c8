package download

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/aws/amazon-ecs-agent/ecs-init/log"
)

const (
	// stallLimit is how long a transfer may go without a byte.
	stallLimit = time.Minute
	// attempts to transfer one file from one location; a later one goes on where the one before ended.
	attempts     = 3
	attemptPause = 2 * time.Second

	maxArchive = 2 << 30  // bytes
	maxText    = 64 << 10 // bytes, of checksums and signatures
)

// transfer brings one file over HTTP.
type transfer struct {
	client *http.Client
	url    string
	file   *os.File
	most   int64 // bytes
}

// statusError is an answer other than success.
type statusError int

func (e statusError) Error() string {
	return fmt.Sprintf("HTTP status %d %s", e, http.StatusText(int(e)))
}

// missing reports whether the location does not have the file. A bucket that may not be listed says 403 for it.
func missing(err error) bool {
	var status statusError
	return errors.As(err, &status) && (status == http.StatusNotFound || status == http.StatusForbidden)
}

// writeError is a failure of this host's file system.
type writeError struct{ cause error }

func (e *writeError) Error() string { return e.cause.Error() }
func (e *writeError) Unwrap() error { return e.cause }

// full reports whether the disk or a quota is full, which no other location helps against.
func full(err error) bool { return errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) }

func (t transfer) run(ctx context.Context) error {
	var received received
	for attempt := 1; ; attempt++ {
		err := t.attempt(ctx, &received)
		var final statusError
		var local *writeError
		if err == nil || attempt == attempts || ctx.Err() != nil || errors.As(err, &final) || errors.As(err, &local) {
			return err
		}
		log.Warnf("the transfer of %s ended early, going on in %s: %v", t.url, attemptPause, err)
		select {
		case <-time.After(attemptPause):
		case <-ctx.Done():
		}
	}
}

// received is how much of which version of the file is there.
type received struct {
	bytes int64
	etag  string
}

// attempt transfers the file, or what is missing of it.
func (t transfer) attempt(ctx context.Context, got *received) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	stalled := time.AfterFunc(stallLimit, func() { cancel(fmt.Errorf("no data for %s", stallLimit)) })
	defer stalled.Stop()
	explain := func(err error) error {
		if cause := context.Cause(ctx); cause != nil && err != nil {
			return cause
		}
		return err
	}

	request, err := http.NewRequestWithContext(ctx, http.MethodGet, t.url, nil)
	if err != nil {
		return &writeError{err} // another attempt does not help
	}
	if got.bytes > 0 && got.etag != "" {
		request.Header.Set("Range", "bytes="+strconv.FormatInt(got.bytes, 10)+"-")
		request.Header.Set("If-Range", got.etag)
	}
	answer, err := t.client.Do(request)
	if err != nil {
		return explain(err)
	}
	defer answer.Body.Close()
	continued := answer.StatusCode == http.StatusPartialContent &&
		strings.HasPrefix(answer.Header.Get("Content-Range"), "bytes "+strconv.FormatInt(got.bytes, 10)+"-")
	if answer.StatusCode != http.StatusOK && !continued {
		return statusError(answer.StatusCode)
	}
	if !continued {
		*got = received{etag: answer.Header.Get("ETag")}
	}
	if err := errors.Join(t.file.Truncate(got.bytes), seek(t.file, got.bytes)); err != nil {
		return &writeError{err}
	}

	buffer := make([]byte, 128<<10)
	for {
		n, err := answer.Body.Read(buffer)
		if n > 0 {
			stalled.Reset(stallLimit)
			if got.bytes += int64(n); got.bytes > t.most {
				return &writeError{fmt.Errorf("longer than %d bytes", t.most)}
			}
			if _, err := t.file.Write(buffer[:n]); err != nil {
				return &writeError{err}
			}
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return explain(err)
		}
	}
}

func seek(file *os.File, offset int64) error {
	_, err := file.Seek(offset, io.SeekStart)
	return err
}

package awsclient

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/aws/amazon-ecs-agent/agent/backoff"
)

// Client sends signed requests to one service endpoint. The protocol clients embed it. It is safe for concurrent use.
type Client struct {
	// SigningName is the service name in the signature, for example "ecs".
	SigningName string
	Region      string
	// Endpoint is the base URL; requests go to "/" below it.
	Endpoint string
	// Credentials signs; nil sends requests unsigned.
	Credentials CredentialsProvider
	// HTTP needs no timeout of its own.
	HTTP *http.Client
	// UserAgent replaces Go's header when not empty. It is set after signing: it is not a signed header.
	UserAgent string
	// AttemptLimit bounds one attempt up to the end of its answer; 0 stands for [AttemptTimeout].
	AttemptLimit time.Duration

	// clockOffset in nanoseconds is added to the local time when signing; learnt from the service.
	clockOffset atomic.Int64
}

// ClientOptions is what the clients of all services have in common.
type ClientOptions struct {
	Region string
	// DualStack selects endpoints that also have IPv6 addresses.
	DualStack   bool
	Credentials CredentialsProvider
	HTTP        *http.Client
	UserAgent   string
	Environment Environment
}

// maxResponseBody bounds what is read of one answer.
const maxResponseBody = 8 << 20

// answer is a complete HTTP answer.
type answer struct {
	status int
	header http.Header
	body   []byte // empty when a request has a sink and succeeds
}

// request is one logical call: what to send and how to read an error answer.
type request struct {
	operation string
	// method and path are POST and "/" when empty. The path is escaped and below the endpoint.
	method, path string
	header       http.Header
	body         []byte
	retries      Retries
	// credentials and userAgent replace those of the client when set.
	credentials CredentialsProvider
	userAgent   string
	parseError  func(answer) *APIError
	// onRetry is told about attempt n that failed with err and will be repeated; may be nil.
	onRetry func(n int, err error)
	// sink takes the body of a successful answer as it comes, once per attempt; the attempt's limit then ends with the
	// header. Without a sink the body is kept in the answer.
	sink func(io.Reader) error
}

// do sends r until an attempt succeeds, fails for good or attempts run out. It returns the error of the last attempt, also
// when ctx ends during a pause: then that error wraps both.
func (c *Client) do(ctx context.Context, r request) (answer, error) {
	for n := 1; ; n++ {
		a, err := c.attempt(ctx, r)
		if err == nil {
			return a, nil
		}
		if ctx.Err() != nil || !worthRetrying(err) {
			return answer{}, err
		}
		if n >= r.retries.MaxAttempts {
			return answer{}, exhausted(err, n)
		}
		if r.onRetry != nil {
			r.onRetry(n, err)
		}
		if stop := backoff.Sleep(ctx, r.retries.Delay(n)); stop != nil {
			return answer{}, fmt.Errorf("%w (stopped waiting for the next attempt: %w)", err, stop)
		}
	}
}

func (c *Client) attempt(ctx context.Context, r request) (answer, error) {
	attempt, end := context.WithCancelCause(ctx)
	defer end(nil)
	limit := c.AttemptLimit
	if limit == 0 {
		limit = AttemptTimeout
	}
	timer := time.AfterFunc(limit, func() { end(errAttemptLimit) })
	defer timer.Stop()

	req, err := c.newRequest(attempt, r)
	if err != nil {
		return answer{}, err
	}
	resp, err := c.HTTP.Do(req)
	if err != nil {
		return answer{}, &transportError{r.operation, limitError(attempt, err)}
	}
	defer resp.Body.Close()
	a := answer{status: resp.StatusCode, header: resp.Header}
	if a.status/100 == 2 && r.sink != nil {
		timer.Stop()
		return a, r.pour(resp.Body)
	}
	if a.body, err = io.ReadAll(io.LimitReader(resp.Body, maxResponseBody)); err != nil {
		return answer{}, &transportError{r.operation, fmt.Errorf("read answer: %w", limitError(attempt, err))}
	}
	if a.status/100 == 2 {
		return a, nil
	}
	api := r.parseError(a)
	api.Operation, api.Status = r.operation, a.status
	if api.RequestID == "" {
		api.RequestID = a.header.Get("X-Amzn-Requestid")
	}
	if slices.Contains(skewCodes, api.Code) || slices.Contains(possibleSkewCodes, api.Code) {
		c.learnClock(a.header, api)
	}
	return answer{}, api
}

// newRequest is a signed request.
func (c *Client) newRequest(ctx context.Context, r request) (*http.Request, error) {
	method, path := r.method, r.path
	if method == "" {
		method = http.MethodPost
	}
	if path == "" {
		path = "/"
	}
	req, err := http.NewRequestWithContext(ctx, method, strings.TrimRight(c.Endpoint, "/")+path, bytes.NewReader(r.body))
	if err != nil {
		return nil, fmt.Errorf("%s: endpoint %q: %w", r.operation, c.Endpoint, err)
	}
	for k, v := range r.header {
		req.Header[k] = slices.Clone(v)
	}
	provider := c.Credentials
	if r.credentials != nil {
		provider = r.credentials
	}
	now := time.Now().Add(time.Duration(c.clockOffset.Load()))
	if provider != nil {
		creds, err := provider.Retrieve(ctx)
		if err != nil {
			return nil, fmt.Errorf("%s: get credentials: %w", r.operation, err)
		}
		if err := signRequest(ctx, req, creds, c.SigningName, c.Region, r.body, now); err != nil {
			return nil, fmt.Errorf("%s: %w", r.operation, err)
		}
	}
	if agent := r.userAgent; agent != "" {
		req.Header.Set("User-Agent", agent)
	} else if c.UserAgent != "" {
		req.Header.Set("User-Agent", c.UserAgent)
	}
	return req, nil
}

// pour hands the body to the sink. What fails while reading is a matter of the transport, everything else is the sink's.
func (r request) pour(body io.Reader) error {
	source := &watchedReader{Reader: body}
	err := r.sink(source)
	if source.failed != nil {
		return &transportError{r.operation, fmt.Errorf("read answer: %w", source.failed)}
	}
	return err
}

// watchedReader remembers how reading failed.
type watchedReader struct {
	io.Reader
	failed error
}

func (w *watchedReader) Read(p []byte) (int, error) {
	n, err := w.Reader.Read(p)
	if err != nil && err != io.EOF {
		w.failed = err
	}
	return n, err
}

// errAttemptLimit is the end of an attempt that took too long. It is worded and classified like http.Client's own timeout.
var errAttemptLimit error = attemptLimitError{}

type attemptLimitError struct{}

func (attemptLimitError) Error() string {
	return "context deadline exceeded (Client.Timeout exceeded while awaiting headers)"
}
func (attemptLimitError) Timeout() bool { return true }
func (attemptLimitError) Is(target error) bool {
	return target == context.DeadlineExceeded
}

// limitError replaces the bare cancellation of an attempt by what ended it.
func limitError(attempt context.Context, err error) error {
	cause := context.Cause(attempt)
	if cause != errAttemptLimit {
		return err
	}
	var failed *url.Error
	if errors.As(err, &failed) {
		return &url.Error{Op: failed.Op, URL: failed.URL, Err: cause}
	}
	return cause
}

// learnClock takes over the service's clock when it differs from the one the request was signed with, and marks err so.
func (c *Client) learnClock(h http.Header, err *APIError) {
	theirs, parseErr := http.ParseTime(h.Get("Date"))
	if parseErr != nil {
		return
	}
	old := time.Duration(c.clockOffset.Load())
	fresh := time.Until(theirs)
	if diff := (fresh - old).Abs(); diff >= minimumSkew {
		c.clockOffset.Store(int64(fresh))
		err.clockCorrected = true
	}
}

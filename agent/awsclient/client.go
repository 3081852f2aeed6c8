package awsclient

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"time"
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
	body   []byte
}

// request is one logical call: what to send and how to read an error answer.
type request struct {
	operation string
	header    http.Header
	body      []byte
	retries   Retries
	// credentials and userAgent replace those of the client when set.
	credentials CredentialsProvider
	userAgent   string
	parseError  func(answer) *APIError
	// onRetry is told about attempt n that failed with err and will be repeated; may be nil.
	onRetry func(n int, err error)
}

// do sends r until an attempt succeeds, fails for good or attempts run out. It returns the error of the last attempt, also
// when ctx ends during a pause: then that error wraps both.
func (c *Client) do(ctx context.Context, r request) (answer, error) {
	for n := 1; ; n++ {
		a, err := c.attempt(ctx, r)
		if err == nil {
			return a, nil
		}
		if ctx.Err() != nil || n >= r.retries.MaxAttempts || !worthRetrying(err) {
			return answer{}, err
		}
		if r.onRetry != nil {
			r.onRetry(n, err)
		}
		if stop := Sleep(ctx, r.retries.Delay(n)); stop != nil {
			return answer{}, fmt.Errorf("%w (stopped waiting for the next attempt: %w)", err, stop)
		}
	}
}

func (c *Client) attempt(ctx context.Context, r request) (answer, error) {
	attempt, cancel := context.WithTimeout(ctx, AttemptTimeout)
	defer cancel()

	req, err := http.NewRequestWithContext(attempt, http.MethodPost, strings.TrimRight(c.Endpoint, "/")+"/", bytes.NewReader(r.body))
	if err != nil {
		return answer{}, fmt.Errorf("%s: endpoint %q: %w", r.operation, c.Endpoint, err)
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
		creds, err := provider.Retrieve(attempt)
		if err != nil {
			return answer{}, fmt.Errorf("%s: get credentials: %w", r.operation, err)
		}
		if err := signRequest(attempt, req, creds, c.SigningName, c.Region, r.body, now); err != nil {
			return answer{}, fmt.Errorf("%s: %w", r.operation, err)
		}
	}
	if agent := r.userAgent; agent != "" {
		req.Header.Set("User-Agent", agent)
	} else if c.UserAgent != "" {
		req.Header.Set("User-Agent", c.UserAgent)
	}
	resp, err := c.HTTP.Do(req)
	if err != nil {
		return answer{}, &transportError{r.operation, err}
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxResponseBody))
	if err != nil {
		return answer{}, &transportError{r.operation, fmt.Errorf("read answer: %w", err)}
	}
	a := answer{resp.StatusCode, resp.Header, body}
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

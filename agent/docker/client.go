// Package docker talks to the Docker engine. It is the only package that imports the Docker client: every call is a
// method of Client that has a time limit, takes and gives plain values, and fails with the named errors users see.
package docker

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/distribution/reference"
	"github.com/docker/docker/api/types"
	"github.com/docker/docker/client"
	"github.com/docker/go-connections/sockets"
	"go.opentelemetry.io/contrib/instrumentation/net/http/otelhttp"
)

// Client is a connection to one Docker daemon. It is safe for concurrent use.
type Client struct {
	endpoint string
	base     *http.Transport
	versions versions
	server   Server
	// api is for every call but create and start, whose version a container may choose. It uses the newest version both
	// sides know.
	api *client.Client
	// inspectLimit is how long a look at a container may take.
	inspectLimit time.Duration
	// stopLimit is how long a stop may take beyond the container's own time.
	stopLimit time.Duration
	// observer hears of every call; nil: nobody does.
	observer Observer

	mu        sync.Mutex
	byVersion map[apiVersion]*client.Client
}

// Server is what the daemon says about itself.
type Server struct {
	Version       string // of the engine, such as "20.10.24"
	APIVersion    string // newest
	MinAPIVersion string // oldest; empty from very old daemons
	OS            string
	Arch          string
	KernelVersion string
}

// schemes are the kinds of addresses a daemon may have.
var schemes = []string{"unix", "tcp", "npipe", "http", "https"}

// Connect asks the daemon at endpoint (unix://, tcp:// or npipe:// address) once who it is and agrees on the API
// versions to use. The error wraps ErrNoDaemon, ErrDaemonTooOld or ErrDaemonTooNew.
func Connect(ctx context.Context, endpoint string) (*Client, error) {
	host, err := client.ParseHostURL(endpoint)
	if err != nil {
		return nil, fmt.Errorf("%w: DOCKER_HOST %q: %w", ErrNoDaemon, endpoint, err)
	}
	if !slices.Contains(schemes, host.Scheme) {
		return nil, fmt.Errorf("%w: DOCKER_HOST %q: the scheme has to be one of %s", ErrNoDaemon, endpoint, strings.Join(schemes, ", "))
	}
	base := &http.Transport{
		// Idle connections cost two goroutines and 8 KiB each; a burst of launches may keep some for its next calls.
		MaxIdleConns:        16,
		MaxIdleConnsPerHost: 16,
		IdleConnTimeout:     20 * time.Second,
	}
	if err := sockets.ConfigureTransport(base, host.Scheme, host.Host); err != nil {
		return nil, fmt.Errorf("%w: %s: %w", ErrNoDaemon, endpoint, err)
	}
	return connect(ctx, endpoint, base)
}

func connect(ctx context.Context, endpoint string, base *http.Transport) (*Client, error) {
	c := &Client{endpoint: endpoint, base: base, inspectLimit: defaultInspectLimit, stopLimit: defaultStopLimit, byVersion: map[apiVersion]*client.Client{}}
	if err := c.negotiate(ctx); err != nil {
		base.CloseIdleConnections()
		return nil, err
	}
	return c, nil
}

// negotiate pings for the newest API version of the daemon and asks that version who the daemon is.
func (c *Client) negotiate(ctx context.Context) error {
	probe, err := c.newAPI(oldestUsed)
	if err != nil {
		return err
	}
	ping, err := guarded(ctx, step{doing: "listing", limit: pingLimit}, probe.Ping)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrNoDaemon, err)
	}
	ask := oldestUsed // daemons that do not say their version in the answer to a ping are that old
	if newest, ok := parseAPIVersion(ping.APIVersion); ok {
		if newest.less(oldestUsed) {
			return ErrDaemonTooOld
		}
		ask = newest
		if newestKnown.less(ask) {
			ask = newestKnown
		}
	}
	if c.api, err = c.newAPI(ask); err != nil {
		return err
	}
	answer, err := guarded(ctx, step{doing: "listing", limit: systemLimit}, c.api.ServerVersion)
	switch {
	case IsRefused(err) && ask == newestKnown:
		return fmt.Errorf("%w: %w", ErrDaemonTooNew, err)
	case IsRefused(err):
		return fmt.Errorf("%w: %w", ErrDaemonTooOld, err)
	case err != nil:
		return fmt.Errorf("%w: %w", ErrNoDaemon, err)
	}
	if c.versions, err = commonVersions(answer.MinAPIVersion, answer.APIVersion); err != nil {
		return err
	}
	c.server = serverOf(answer)
	c.api, err = c.at(c.versions.highest)
	return err
}

func serverOf(v types.Version) Server {
	return Server{
		Version: v.Version, APIVersion: v.APIVersion, MinAPIVersion: v.MinAPIVersion,
		OS: v.Os, Arch: v.Arch, KernelVersion: v.KernelVersion,
	}
}

// SetInspectLimit sets how long a look at a container may take, unless it is 0 (then 30 s). Call it before other methods.
func (c *Client) SetInspectLimit(limit time.Duration) {
	if limit > 0 {
		c.inspectLimit = limit
	}
}

// Close drops idle connections. Calls under way go on.
func (c *Client) Close() { c.base.CloseIdleConnections() }

// Server is what the daemon said about itself when the client connected.
func (c *Client) Server() Server { return c.server }

// ServerAtLeast reports whether the engine's version is at least major.minor.patch; it fails when that version is not
// of the usual form.
func (c *Client) ServerAtLeast(major, minor, patch int) (bool, error) {
	return serverAtLeast(c.server.Version, major, minor, patch)
}

// APIVersions lists the API versions that agent and daemon both speak, ascending.
func (c *Client) APIVersions() []string { return c.versions.usable() }

// CapabilityVersions lists the API versions to report as supported (capability docker-remote-api.<v>), ascending.
func (c *Client) CapabilityVersions() []string { return c.versions.extended() }

// MinimumAPIVersion is the version of create and start calls that do not ask for a newer one.
func (c *Client) MinimumAPIVersion() string { return c.versions.minimum.String() }

// Supports reports whether an API version ("1.22") counts as supported, in the sense of CapabilityVersions.
func (c *Client) Supports(version string) bool {
	v, ok := parseAPIVersion(version)
	if !ok || !v.known() || c.versions.highest.less(v) {
		return false
	}
	return !v.less(c.versions.lowest) || !c.versions.minimum.less(extendsFrom)
}

// at gives the SDK client for one API version; they share their connections.
func (c *Client) at(v apiVersion) (*client.Client, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if api, ok := c.byVersion[v]; ok {
		return api, nil
	}
	api, err := c.newAPI(v)
	if err != nil {
		return nil, err
	}
	c.byVersion[v] = api
	return api, nil
}

// newAPI makes an SDK client. The SDK wraps every HTTP client it is given in OpenTelemetry; the filter makes that
// wrapper step aside, else each call would build spans and metrics nobody reads.
func (c *Client) newAPI(v apiVersion) (*client.Client, error) {
	api, err := client.NewClientWithOpts(
		client.WithHost(c.endpoint),
		client.WithHTTPClient(&http.Client{Transport: transport{c.base, c}, CheckRedirect: client.CheckRedirect}),
		client.WithVersion(v.String()),
		client.WithTraceOptions(otelhttp.WithFilter(func(*http.Request) bool { return false })),
	)
	if err != nil {
		return nil, fmt.Errorf("docker client factory: %w", err)
	}
	return api, nil
}

// transport sends the SDK's requests. It gives repositories their familiar names ("busybox", where the SDK writes
// "docker.io/library/busybox"), which is what engines and their authorisation plugins have always seen from this agent.
type transport struct {
	base   *http.Transport
	client *Client
}

// opened is the context key of a function to call when a 200 answer arrives: the SDK does not tell when a stream opens.
type opened struct{}

// written is the context key of a function that gives the body of a request, to be sent in place of the SDK's.
type written struct{}

func (t transport) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Method == http.MethodPost && strings.Contains(r.URL.Path, "/images/") {
		r = withFamiliarNames(r)
	}
	if body, ok := r.Context().Value(written{}).(func() any); ok {
		var err error
		if r, err = withBody(r, body()); err != nil {
			return nil, err
		}
	}
	answer, err := t.observed(r)
	if err == nil && answer.StatusCode == http.StatusOK {
		if tell, ok := r.Context().Value(opened{}).(func()); ok {
			tell()
		}
	}
	return answer, err
}

// CloseIdleConnections lets http.Client reach the shared connections.
func (t transport) CloseIdleConnections() { t.base.CloseIdleConnections() }

// withBody gives the request another body, as JSON.
func withBody(r *http.Request, value any) (*http.Request, error) {
	text, err := json.Marshal(value)
	if err != nil {
		return nil, err
	}
	if r.Body != nil {
		r.Body.Close()
	}
	r = r.Clone(r.Context())
	r.ContentLength = int64(len(text))
	r.GetBody = func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(text)), nil }
	r.Body, err = r.GetBody()
	return r, err
}

func withFamiliarNames(r *http.Request) *http.Request {
	query := r.URL.Query()
	changed := false
	for _, key := range []string{"fromImage", "repo"} {
		if ref, err := reference.ParseNormalizedNamed(query.Get(key)); err == nil {
			query.Set(key, reference.FamiliarName(ref))
			changed = true
		}
	}
	if !changed {
		return r
	}
	r = r.Clone(r.Context())
	r.URL.RawQuery = query.Encode()
	return r
}

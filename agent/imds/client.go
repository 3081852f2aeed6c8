// Package imds asks the EC2 instance metadata service. It is the only package that does.
package imds

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/ratelimit"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	sdk "github.com/aws/aws-sdk-go-v2/feature/ec2/imds"
	"github.com/aws/smithy-go/logging"

	"github.com/aws/amazon-ecs-agent/agent/awsclient"
	"github.com/aws/amazon-ecs-agent/agent/logger"
)

const (
	// callTimeout bounds a call with all its attempts and the session token it may need.
	callTimeout = 5 * time.Second
	// maxAttempts per call; the pauses between them stay below maxBackoff.
	maxAttempts = 5
	maxBackoff  = time.Second
	// The service is on the same host: it answers at once or not at all.
	connectTimeout = 250 * time.Millisecond
	headerTimeout  = 500 * time.Millisecond
)

// ErrBlackholed is what every call of a black-holed client fails with.
var ErrBlackholed = errors.New("blackholed")

// IsBlackholed reports whether err comes from a black-holed client.
func IsBlackholed(err error) bool { return errors.Is(err, ErrBlackholed) }

// ErrDisabled is what every call fails with where the operator has switched the service off.
var ErrDisabled = errors.New("instance metadata is switched off: " + disabledVariable + "=true")

const disabledVariable = "AWS_EC2_METADATA_DISABLED"

// NeverAnswers reports whether err comes from a client of which no call can succeed: there is no use in trying again.
func NeverAnswers(err error) bool { return IsBlackholed(err) || errors.Is(err, ErrDisabled) }

// StatusCode returns the HTTP status in err, 0 when there is none. 404 means that the instance has no such value.
func StatusCode(err error) int {
	var status interface{ HTTPStatusCode() int }
	if errors.As(err, &status) {
		return status.HTTPStatusCode()
	}
	return 0
}

// Client reads values of the metadata service. Every call ends within 5 s. Successful answers that cannot change while the
// instance runs are kept for the life of the client; failures never are.
type Client struct {
	fetch func(ctx context.Context, path string) (string, error)
	http  *http.Client

	mu     sync.Mutex
	cached map[string]string // what cannot change, by path
}

// New returns a client steered by the standard SDK variables, looked up with lookup: AWS_EC2_METADATA_DISABLED,
// AWS_EC2_METADATA_SERVICE_ENDPOINT, AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE and AWS_EC2_METADATA_V1_DISABLED. It uses
// session tokens (IMDSv2) and falls back to requests without unless the last variable forbids it. Proxy variables apply.
func New(lookup func(name string) (string, bool)) *Client {
	httpClient := &http.Client{
		Transport: &http.Transport{
			Proxy:                 awsclient.ProxyFromEnvironment,
			DialContext:           (&net.Dialer{Timeout: connectTimeout}).DialContext,
			ResponseHeaderTimeout: headerTimeout,
			MaxIdleConns:          2,
			IdleConnTimeout:       time.Minute,
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	o := options(lookup, httpClient)
	if o.ClientEnableState == sdk.ClientDisabled {
		return &Client{http: httpClient, fetch: func(context.Context, string) (string, error) { return "", ErrDisabled }}
	}
	service := sdk.New(o)
	return &Client{
		fetch:  func(ctx context.Context, path string) (string, error) { return get(ctx, service, path) },
		http:   httpClient,
		cached: map[string]string{},
	}
}

// Blackholed returns a client for hosts without metadata service: every call fails at once with ErrBlackholed.
func Blackholed() *Client {
	return &Client{fetch: func(context.Context, string) (string, error) { return "", ErrBlackholed }}
}

func options(lookup func(string) (string, bool), httpClient *http.Client) sdk.Options {
	o := sdk.Options{
		HTTPClient: httpClient,
		Logger: logging.LoggerFunc(func(_ logging.Classification, format string, args ...any) {
			logger.Warn("EC2 instance metadata: " + fmt.Sprintf(format, args...))
		}),
		// The usual quota of retries would make the refresh of the session token fail for good after a burst of 401 answers.
		Retryer: retry.NewStandard(func(s *retry.StandardOptions) {
			s.MaxAttempts = maxAttempts
			s.MaxBackoff = maxBackoff
			s.RateLimiter = ratelimit.None
		}),
		ClientEnableState: sdk.ClientEnabled,
	}
	isTrue := func(name string) bool {
		v, _ := lookup(name)
		on, _ := strconv.ParseBool(strings.TrimSpace(v))
		return on
	}
	if isTrue(disabledVariable) {
		o.ClientEnableState = sdk.ClientDisabled
	}
	if isTrue("AWS_EC2_METADATA_V1_DISABLED") {
		o.EnableFallback = aws.FalseTernary
	}
	o.Endpoint, _ = lookup("AWS_EC2_METADATA_SERVICE_ENDPOINT")
	const modeName = "AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE"
	switch mode, _ := lookup(modeName); strings.ToLower(strings.TrimSpace(mode)) {
	case "", "ipv4":
		o.EndpointMode = sdk.EndpointModeStateIPv4
	case "ipv6":
		o.EndpointMode = sdk.EndpointModeStateIPv6
	default:
		logger.Warn("Invalid value for "+modeName+", using IPv4", logger.F("value", mode), logger.F("allowed", "IPv4, IPv6"))
		o.EndpointMode = sdk.EndpointModeStateIPv4
	}
	if o.Endpoint == "" {
		// Said explicitly, because the SDK would look into the process environment by itself.
		o.Endpoint = map[sdk.EndpointModeState]string{
			sdk.EndpointModeStateIPv4: "http://169.254.169.254",
			sdk.EndpointModeStateIPv6: "http://[fd00:ec2::254]",
		}[o.EndpointMode]
	}
	return o
}

// Get reads the value at path, relative to /latest/, for example `meta-data/mac`. Path segments may be escaped.
func (c *Client) Get(ctx context.Context, path string) (string, error) {
	if text, ok := c.kept(path); ok {
		return text, nil
	}
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	text, err := c.fetch(ctx, path)
	if err == nil && constant(path) {
		c.keep(path, text)
	}
	return text, err
}

func (c *Client) kept(path string) (string, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	text, ok := c.cached[path]
	return text, ok
}

func (c *Client) keep(path, text string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.cached[path] = text
}

// get chooses the SDK operation by the first segment of path.
func get(ctx context.Context, service *sdk.Client, path string) (string, error) {
	if plain, err := url.PathUnescape(path); err == nil {
		path = plain
	}
	kind, rest, _ := strings.Cut(path, "/")
	var body io.ReadCloser
	var err error
	switch kind {
	case "meta-data":
		var out *sdk.GetMetadataOutput
		if out, err = service.GetMetadata(ctx, &sdk.GetMetadataInput{Path: rest}); err == nil {
			body = out.Content
		}
	case "dynamic":
		var out *sdk.GetDynamicDataOutput
		if out, err = service.GetDynamicData(ctx, &sdk.GetDynamicDataInput{Path: rest}); err == nil {
			body = out.Content
		}
	case "user-data":
		var out *sdk.GetUserDataOutput
		if out, err = service.GetUserData(ctx, nil); err == nil {
			body = out.Content
		}
	default:
		return "", fmt.Errorf("instance metadata %q: unknown category", path)
	}
	if err != nil {
		return "", fmt.Errorf("instance metadata %q: %w", path, err)
	}
	defer body.Close()
	text, err := io.ReadAll(body)
	if err != nil {
		return "", fmt.Errorf("instance metadata %q: %w", path, err)
	}
	return string(text), nil
}

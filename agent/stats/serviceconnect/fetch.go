// Package serviceconnect gets the metrics of a task's Service Connect proxy and puts them in the form in which the
// telemetry service takes them.
package serviceconnect

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"runtime"
	"time"
)

// Supported is whether Service Connect exists on this platform.
const Supported = runtime.GOOS == "linux"

const (
	// fetchTimeout bounds one request: a proxy that hangs must not keep the metrics of others from being sent.
	fetchTimeout = 5 * time.Second
	maxAnswer    = 16 << 20
)

// Fetch asks the proxy behind a unix socket. An answer other than 200 counts as one without metrics.
func Fetch(ctx context.Context, socket, url string) ([]Wrapper, error) {
	if socket == "" || url == "" {
		return nil, errors.New("the address of the proxy's statistics is not known")
	}
	ctx, cancel := context.WithTimeout(ctx, fetchTimeout)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, err
	}
	transport := &http.Transport{
		DisableKeepAlives: true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, "unix", socket)
		},
	}
	defer transport.CloseIdleConnections()
	answer, err := (&http.Client{Transport: transport}).Do(request)
	if err != nil {
		return nil, err
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		return nil, nil
	}
	text, err := io.ReadAll(io.LimitReader(answer.Body, maxAnswer+1))
	if err != nil {
		return nil, fmt.Errorf("read the proxy's statistics: %w", err)
	}
	if len(text) > maxAnswer {
		return nil, fmt.Errorf("the proxy's statistics are longer than %d bytes", maxAnswer)
	}
	families, err := parse(string(text))
	if err != nil {
		return nil, fmt.Errorf("read the proxy's statistics: %w", err)
	}
	return convert(families), nil
}

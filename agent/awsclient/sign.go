package awsclient

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
)

// signRequest adds a SigV4 signature over body to req.
func signRequest(ctx context.Context, req *http.Request, c Credentials, service, region string, body []byte, at time.Time) error {
	sum := sha256.Sum256(body)
	keys := aws.Credentials{AccessKeyID: c.AccessKeyID, SecretAccessKey: c.SecretAccessKey, SessionToken: c.SessionToken}
	var options []func(*v4.SignerOptions)
	if service == "s3" { // which signs paths as they are, and wants the hash of the body in a header
		req.Header.Set("X-Amz-Content-Sha256", hex.EncodeToString(sum[:]))
		options = append(options, func(o *v4.SignerOptions) { o.DisableURIPathEscaping = true })
	}
	if err := v4.NewSigner().SignHTTP(ctx, keys, req, hex.EncodeToString(sum[:]), service, region, at, options...); err != nil {
		return fmt.Errorf("sign request: %w", err)
	}
	return nil
}

// websocketService is the service name in the signatures of both the control and the telemetry session.
const websocketService = "ecs"

// SignWebsocket returns the headers Host, Authorization, X-Amz-Date and, with a session token, X-Amz-Security-Token that
// sign a GET of rawURL (scheme ws, wss, http or https) at the given time. They are exactly the signed headers. payload is
// nil for the upgrade request; the telemetry session signs each of its messages the same way with the message as payload.
func SignWebsocket(ctx context.Context, c Credentials, region, rawURL string, payload []byte, at time.Time) (http.Header, error) {
	u, err := url.Parse(rawURL)
	if err != nil {
		return nil, fmt.Errorf("sign websocket request: %w", err)
	}
	// The signer leaves the default port of http and https out of the host name; it does not know ws and wss.
	switch u.Scheme {
	case "ws":
		u.Scheme = "http"
	case "wss":
		u.Scheme = "https"
	}
	req := (&http.Request{Method: http.MethodGet, URL: u, Host: u.Host, Header: http.Header{}}).WithContext(ctx)
	if err := signRequest(ctx, req, c, websocketService, region, payload, at); err != nil {
		return nil, err
	}
	h := req.Header
	h.Set("Host", req.Host)
	return h, nil
}

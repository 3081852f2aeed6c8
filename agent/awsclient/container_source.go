package awsclient

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"time"
)

// containerSource gets credentials from the endpoint named by the container credentials variables: the agent itself may run
// in a container that has a role of its own.
type containerSource struct {
	env  Environment
	http *http.Client
}

// endpointTimeout bounds one request to a credentials endpoint, which is always close by.
const endpointTimeout = 5 * time.Second

func (containerSource) name() string { return "CredentialsEndpointProvider" }

func (s containerSource) fetch(ctx context.Context) (lease, error) {
	target, err := s.target()
	if err != nil {
		return lease{}, err
	}
	ctx, cancel := context.WithTimeout(ctx, endpointTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, target, nil)
	if err != nil {
		return lease{}, err
	}
	req.Header.Set("Accept", "application/json")
	if err := s.authorize(req); err != nil {
		return lease{}, err
	}
	resp, err := s.http.Do(req)
	if err != nil {
		return lease{}, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxCredentialsBody))
	if err != nil {
		return lease{}, fmt.Errorf("read answer of %s: %w", req.URL.Host, err)
	}
	if resp.StatusCode != http.StatusOK {
		return lease{}, fmt.Errorf("container credentials endpoint %s answered %s", req.URL.Host, resp.Status)
	}
	c, err := parseEndpointCredentials(body)
	if err != nil {
		return lease{}, err
	}
	return temporary(c, time.Now()), nil
}

const maxCredentialsBody = 64 << 10

func (s containerSource) target() (string, error) {
	if rel := s.env.Getenv("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"); rel != "" {
		return "http://169.254.170.2/" + strings.TrimPrefix(rel, "/"), nil
	}
	full := s.env.Getenv("AWS_CONTAINER_CREDENTIALS_FULL_URI")
	if full == "" {
		return "", errors.New("no container credentials endpoint is set")
	}
	u, err := url.Parse(full)
	if err != nil {
		return "", errors.New("AWS_CONTAINER_CREDENTIALS_FULL_URI is not a URL")
	}
	if u.Scheme != "https" && !localCredentialsHost(u.Hostname()) {
		return "", fmt.Errorf("AWS_CONTAINER_CREDENTIALS_FULL_URI: host %q needs https; plain http is for loopback and link-local credentials endpoints", u.Hostname())
	}
	return full, nil
}

// localCredentialsHost reports whether plain http to host stays on the machine: loopback, and the link-local addresses of
// the ECS and EKS credential endpoints.
func localCredentialsHost(host string) bool {
	switch host {
	case "localhost", "169.254.170.2", "169.254.170.23", "fd00:ec2::23":
		return true
	}
	addr, err := netip.ParseAddr(host)
	return err == nil && addr.IsLoopback()
}

func (s containerSource) authorize(req *http.Request) error {
	token := s.env.Getenv("AWS_CONTAINER_AUTHORIZATION_TOKEN")
	if path := s.env.Getenv("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"); path != "" {
		b, err := s.env.ReadFile(path)
		if err != nil {
			return fmt.Errorf("read AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE: %w", err)
		}
		token = strings.TrimSpace(string(b))
	}
	if strings.ContainsAny(token, "\r\n") {
		return errors.New("the container authorization token contains a line break")
	}
	if token != "" {
		req.Header.Set("Authorization", token)
	}
	return nil
}

// parseEndpointCredentials reads the JSON that credential endpoints, the instance metadata service and credential processes
// have in common.
func parseEndpointCredentials(text []byte) (Credentials, error) {
	var doc struct {
		Code, Message                string
		AccessKeyId, SecretAccessKey string
		Token, SessionToken          string
		Expiration                   *time.Time
	}
	if err := json.Unmarshal(text, &doc); err != nil {
		return Credentials{}, errors.New("the answer is not a credentials document") // the decoder's text may quote a secret
	}
	if doc.Code != "" && doc.Code != "Success" {
		return Credentials{}, fmt.Errorf("%s: %s", doc.Code, doc.Message)
	}
	c := Credentials{AccessKeyID: doc.AccessKeyId, SecretAccessKey: doc.SecretAccessKey, SessionToken: doc.Token}
	if c.SessionToken == "" {
		c.SessionToken = doc.SessionToken
	}
	if doc.Expiration != nil {
		c.Expires = *doc.Expiration
	}
	if !c.Valid() {
		return Credentials{}, errNoKeyPair
	}
	return c, nil
}

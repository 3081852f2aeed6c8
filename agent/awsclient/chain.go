package awsclient

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"time"
)

// Metadata reads one value of the EC2 instance metadata service. Paths are relative to /latest/, for example
// "meta-data/mac". It keeps its own timeouts, retries and session token.
type Metadata interface {
	Get(ctx context.Context, path string) (string, error)
}

// ChainOptions says where instance credentials are looked for.
type ChainOptions struct {
	// External selects the order for hosts outside EC2.
	External bool
	// Region is used by calls to STS (web identity and assumed roles).
	Region string
	// RotatingProfile is the profile of the rotating credentials file; empty means "default".
	RotatingProfile string
	// Metadata gives the credentials of the instance role.
	Metadata Metadata
	// HTTP makes the calls to STS and to the container credentials endpoint.
	HTTP *http.Client
	// Environment is the process environment; the zero value is the real one.
	Environment Environment
}

// NewInstanceCredentials returns the credentials the agent signs its own calls with.
//
// On EC2 the order is that of the AWS SDKs (environment, web identity, shared configuration files, container credentials
// endpoint, instance role) and then the rotating file. On external hosts it is: environment, rotating file, shared
// credentials file, instance role.
func NewInstanceCredentials(o ChainOptions) *Cache {
	env := o.Environment.orReal()
	sts := stsClient{region: o.Region, env: env, http: o.HTTP}
	environment := envSource{env}
	rotating := rotatingSource{env: env, profile: o.RotatingProfile}
	role := roleSource{o.Metadata}
	container := containerSource{env: env, http: o.HTTP}
	if o.External {
		return newCache(chain{environment, rotating, sharedCredentialsSource{env}, role})
	}
	return newCache(chain{
		environment,
		webIdentitySource{env: env, sts: sts},
		profileSource{env: env, sts: sts, environment: environment, container: container, role: role},
		container,
		role,
		rotating,
	})
}

// chain asks its members in order and takes the first key pair.
type chain []source

func (chain) name() string { return "ChainProvider" }

func (c chain) fetch(ctx context.Context) (lease, error) {
	var failures []string
	for _, s := range c {
		l, err := s.fetch(ctx)
		switch {
		case err == nil && l.Valid():
			if l.Source == "" {
				l.Source = s.name()
			}
			return l, nil
		case ctx.Err() != nil:
			return lease{}, fmt.Errorf("instance credentials: %w", ctx.Err())
		case err == nil:
			err = errNoKeyPair
		}
		failures = append(failures, s.name()+": "+err.Error())
	}
	return lease{}, fmt.Errorf("no valid providers in chain: %s", strings.Join(failures, "; "))
}

// keep is the lease of credentials that do not expire.
func keep(c Credentials) lease { return lease{Credentials: c} }

// refreshAhead is how long before their expiry temporary credentials are asked for again, so that no request is signed with
// credentials that expire on the way.
const refreshAhead = 5 * time.Minute

// temporary is the lease of credentials with an expiry set by the service. A service that hands out expired or nearly
// expired credentials has trouble of its own; what it gives may still work and is asked for again a while later.
func temporary(c Credentials, now time.Time) lease {
	if c.Expires.IsZero() {
		return keep(c)
	}
	refresh := c.Expires.Add(-refreshAhead)
	if !refresh.After(now) {
		refresh = now.Add(time.Minute)
	}
	return lease{Credentials: c, refreshAt: refresh}
}

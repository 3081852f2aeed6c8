// Package rolecreds makes temporary credentials for task roles: by default ones that are plainly not real, on request
// the operator's own.
package rolecreds

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"
	"time"
)

// Set is one set of temporary credentials. It must never be logged.
type Set struct {
	AccessKeyID     string
	SecretAccessKey string
	SessionToken    string
	Expiration      time.Time
}

// Source makes credentials that are valid for Lifetime.
type Source struct {
	Lifetime time.Duration
	own      *Set // the operator's, when passed through
}

// Fake makes credentials no service accepts and nobody takes for real ones.
func Fake(lifetime time.Duration) *Source { return &Source{Lifetime: lifetime} }

// FromEnvironment hands out the operator's own credentials for every role.
func FromEnvironment(getenv func(string) string, lifetime time.Duration) (*Source, error) {
	own := &Set{
		AccessKeyID:     getenv("AWS_ACCESS_KEY_ID"),
		SecretAccessKey: getenv("AWS_SECRET_ACCESS_KEY"),
		SessionToken:    getenv("AWS_SESSION_TOKEN"),
	}
	for _, v := range []struct{ name, value string }{{"AWS_ACCESS_KEY_ID", own.AccessKeyID}, {"AWS_SECRET_ACCESS_KEY", own.SecretAccessKey}} {
		if v.value == "" {
			return nil, fmt.Errorf("--credentials-from-env: %s is not set; export your credentials or leave the option out", v.name)
		}
	}
	return &Source{Lifetime: lifetime, own: own}, nil
}

// Make returns a set for a credentials id; a new expiry gives new keys, as a real refresh does.
func (s *Source) Make(id string, now time.Time) Set {
	exp := now.Add(s.Lifetime).UTC().Truncate(time.Second)
	if s.own != nil {
		set := *s.own
		set.Expiration = exp
		return set
	}
	sum := sha256.Sum256([]byte(id + exp.String()))
	mark := hex.EncodeToString(sum[:8])
	return Set{
		AccessKeyID:     "ASIALOCALECSFAKE" + strings.ToUpper(mark[:4]),
		SecretAccessKey: "local-ecs-not-a-real-secret-" + mark,
		SessionToken:    "local-ecs-not-a-real-token-" + mark,
		Expiration:      exp,
	}
}

// Stale tells whether a set with this expiry should be renewed: a third of its life or less is left.
func (s *Source) Stale(expires, now time.Time) bool {
	return expires.Sub(now) <= s.Lifetime/3
}

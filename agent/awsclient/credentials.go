package awsclient

import (
	"context"
	"time"
)

// Credentials is an AWS key pair. Every way of printing it shows the end of the key id and nothing else.
type Credentials struct {
	AccessKeyID     string
	SecretAccessKey string
	// SessionToken is empty for long-lived keys.
	SessionToken string
	// Source names the provider, for logs.
	Source string
	// Expires is zero for keys that do not expire.
	Expires time.Time
}

// Valid reports whether c has a key pair. It does not look at the expiry.
func (c Credentials) Valid() bool { return c.AccessKeyID != "" && c.SecretAccessKey != "" }

// String names the source and the masked key id.
func (c Credentials) String() string { return c.Source + " " + maskKeyID(c.AccessKeyID) }

// GoString is String, so that %#v gives nothing away either.
func (c Credentials) GoString() string { return c.String() }

// maskKeyID returns the form in which an access key id may be logged: its last four characters behind XXXX.
func maskKeyID(id string) string {
	if len(id) > 4 {
		id = id[len(id)-4:]
	}
	return "Access Key ID XXXX" + id
}

// CredentialsProvider gives credentials that are valid now. It is safe for concurrent use.
type CredentialsProvider interface {
	Retrieve(ctx context.Context) (Credentials, error)
}

// StaticCredentials is a provider that always gives the same credentials.
type StaticCredentials Credentials

// Retrieve returns s.
func (s StaticCredentials) Retrieve(context.Context) (Credentials, error) { return Credentials(s), nil }

// source is one place credentials may come from. It is asked again when what it gave has to be refreshed; it keeps no state.
type source interface {
	name() string
	fetch(ctx context.Context) (lease, error)
}

// lease is a set of credentials and the time from which they should be asked for again. The two differ from the expiry when
// a service wants its clients to refresh ahead of time.
type lease struct {
	Credentials
	// refreshAt is zero when the credentials can be kept for the life of the process.
	refreshAt time.Time
}

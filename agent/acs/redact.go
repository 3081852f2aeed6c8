package acs

import (
	"bytes"
	"fmt"

	"github.com/aws/amazon-ecs-agent/agent/credentials"
)

// excerptLimit is how much of an unreadable message is shown.
const excerptLimit = 256

// tellTale are words near which an unreadable message may hold a secret.
var tellTale = [][]byte{[]byte("credential"), []byte("secret"), []byte("token"), []byte("accesskey"), []byte("environment"), []byte("password")}

// excerpt is the part of an unreadable message that may be logged: nothing when it looks like one with credentials in it.
func excerpt(data []byte) string {
	lower := bytes.ToLower(data)
	for _, word := range tellTale {
		if bytes.Contains(lower, word) {
			return fmt.Sprintf("(%d bytes, not shown: they may hold secrets)", len(data))
		}
	}
	if len(data) > excerptLimit {
		return fmt.Sprintf("%s… (%d bytes)", bytes.ToValidUTF8(data[:excerptLimit], nil), len(data))
	}
	return string(bytes.ToValidUTF8(data, []byte("\uFFFD")))
}

// String names the credentials without giving anything away.
func (c wireCredentials) String() string { return "credentials " + credentials.Redact(c.CredentialsID) }

// GoString is String, so that %#v gives nothing away either.
func (c wireCredentials) GoString() string { return c.String() }

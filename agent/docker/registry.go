package docker

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
)

// Auth are credentials for a registry, in the form Docker takes them. Every way of printing shows "[redacted]".
type Auth struct {
	Username      string `json:"username,omitempty"`
	Password      string `json:"password,omitempty"`
	Auth          string `json:"auth,omitempty"` // base64 of user:password
	Email         string `json:"email,omitempty"`
	ServerAddress string `json:"serveraddress,omitempty"`
	IdentityToken string `json:"identitytoken,omitempty"`
	RegistryToken string `json:"registrytoken,omitempty"`
}

// Format makes every verb print the same word.
func (a Auth) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte("[redacted]")) }

// Header is the value of X-Registry-Auth. It is sent without credentials, too: "{}".
func (a Auth) Header() string {
	type plain Auth
	text, err := json.Marshal(plain(a))
	if err != nil {
		panic(err) // a struct of strings
	}
	return base64.URLEncoding.EncodeToString(text)
}

// Manifest is what a registry says about an image.
type Manifest struct {
	Digest    string // sha256:…
	MediaType string
}

// Manifest asks the image's registry, through the daemon, which manifest the reference stands for now. The time limit is
// the caller's (ctx); errors have no name. With an API older than 1.35 the error is errors.ErrUnsupported.
func (c *Client) Manifest(ctx context.Context, image string, auth Auth) (Manifest, error) {
	if c.versions.highest.less(distribution) {
		return Manifest{}, fmt.Errorf("the daemon's API version is below %s: %w", distribution, errors.ErrUnsupported)
	}
	if err := checkImage(image); err != nil {
		return Manifest{}, err
	}
	answer, err := c.api.DistributionInspect(ctx, image, auth.Header())
	if err != nil {
		return Manifest{}, err
	}
	return Manifest{Digest: answer.Descriptor.Digest.String(), MediaType: answer.Descriptor.MediaType}, nil
}

// checkImage refuses what would turn a call on one image into another call of the API. What else is wrong with a
// reference the daemon tells better.
func checkImage(image string) error {
	for _, element := range strings.Split(image, "/") {
		if element == "." || element == ".." || (element == "" && image != "") {
			return invalidReference{}
		}
	}
	return nil
}

// invalidReference is classified like the daemon's answer to such a reference (HTTP 400).
type invalidReference struct{}

func (invalidReference) Error() string     { return "invalid reference format" }
func (invalidReference) InvalidParameter() {}

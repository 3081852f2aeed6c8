package image

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/containerd/errdefs"

	"github.com/aws/amazon-ecs-agent/agent/goldenfile"
	"github.com/aws/amazon-ecs-agent/agent/task"
)

func TestErrorTexts(t *testing.T) {
	var cases []struct{ Name, Input, Image, Reason string }
	goldenfile.Read(t, "testdata/error-texts.json", &cases)
	for _, c := range cases {
		got := redacted(errors.New(c.Input), c.Name, c.Image)
		if c.Name != task.ErrCannotPullImageManifest {
			got = hinted(got)
		}
		if got.Error() != c.Reason {
			t.Errorf("got  %s\nwant %s", got, c.Reason)
		}
	}
	if len(cases) == 0 {
		t.Error("test data is missing")
	}
}

func TestRedactionLeavesNoTrace(t *testing.T) {
	url := `"https://prod-us-east-1-starport-layer-bucket.s3.amazonaws.com/x?X-Amz-Security-Token=tok"`
	err := redacted(&task.Error{Name: task.ErrCannotPullContainer, Message: "Get " + url + ": 403", Cause: errors.New(url)}, "", "img")
	if text := fmt.Sprintf("%v %+v", err, err.Cause); strings.Contains(text, "tok\"") || !strings.Contains(text, "REDACTED ECR URL related to img") {
		t.Error(text)
	}
}

func TestDefiniteAnswers(t *testing.T) {
	for text, want := range map[string]bool{
		"Error response from daemon: manifest unknown: manifest unknown":                                                                        true,
		"manifest for a:1 not found: manifest unknown: manifest unknown":                                                                        true,
		"pull access denied for a, repository does not exist or may require 'docker login': denied: requested access to the resource is denied": true,
		"unauthorized: authentication required":                                                                                                 true,
		"Get https://1.dkr.ecr.us-east-1.amazonaws.com/v2/a/manifests/1: no basic auth credentials":                                             true,
		"no matching manifest for linux/amd64 in the manifest list entries":                                                                     true,
		`failed to resolve reference "docker.io/library/a:1": docker.io/library/a:1: not found`:                                                 true,
		`unexpected status from HEAD request to https://r.tld/v2/a/manifests/1: 403 Forbidden`:                                                  true,
		`failed to resolve reference "docker.io/library/a:1": failed to do request: Head "https://r.tld": dial tcp: lookup r.tld: no such host`: false,
		"repository name must not be more than 255 characters":                                                                                  true,
		"Error response from daemon: no manifest found for full image ID":                                                                       true,
		"toomanyrequests: Rate exceeded":                                                                                                        false,
		"toomanyrequests: You have reached your pull rate limit. denied: try later":                                                             false,
		"dial tcp: lookup r.tld on 10.0.0.2:53: server misbehaving":                                                                             false,
		"net/http: request canceled while waiting for connection (Client.Timeout exceeded while awaiting headers)":                              false,
		"received unexpected HTTP status: 503 Service Unavailable":                                                                              false,
		"inactivity time exceeded timeout while pulling image":                                                                                  false,
		"error during connect: EOF": false,
	} {
		if got := definite(&task.Error{Name: task.ErrCannotPullContainer, Message: text}); got != want {
			t.Errorf("%s: definite %v", text, got)
		}
	}
	for class, want := range map[error]bool{
		errdefs.ErrNotFound: true, errdefs.ErrInvalidArgument: true, errdefs.ErrPermissionDenied: true, errdefs.ErrUnauthenticated: true,
		errdefs.ErrInternal: false, errdefs.ErrUnavailable: false,
	} {
		if got := definite(task.NewError(task.ErrCannotPullContainer, &classified{"text", class})); got != want {
			t.Errorf("%v: definite %v", class, got)
		}
		if definite(task.NewError(task.ErrCannotPullContainer, &classified{"toomanyrequests: slow down", class})) {
			t.Errorf("%v with a rate limit is definite", class)
		}
	}
}

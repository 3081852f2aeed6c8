package registration

import (
	"context"
	"fmt"
	"io"
	"os"
	"testing"

	"github.com/aws/amazon-ecs-agent/agent/awsclient"
	"github.com/aws/amazon-ecs-agent/agent/ecsapi"
	"github.com/aws/amazon-ecs-agent/agent/logger"
)

func TestMain(m *testing.M) {
	logger.Setup(logger.Options{Driver: io.Discard})
	os.Exit(m.Run())
}

// statusError is an HTTP answer of the metadata service.
type statusError int

func (e statusError) Error() string       { return fmt.Sprintf("metadata answered %d", int(e)) }
func (e statusError) HTTPStatusCode() int { return int(e) }

// fakeMetadata answers from values; other paths fail with err, or 404. It counts calls by path.
type fakeMetadata struct {
	values map[string]string
	err    map[string]error
	calls  map[string]int
}

func metadata(values map[string]string) *fakeMetadata {
	return &fakeMetadata{values: values, err: map[string]error{}, calls: map[string]int{}}
}

func (m *fakeMetadata) Get(ctx context.Context, path string) (string, error) {
	m.calls[path]++
	if err := ctx.Err(); err != nil {
		return "", err
	}
	if err := m.err[path]; err != nil {
		return "", err
	}
	if v, found := m.values[path]; found {
		return v, nil
	}
	return "", statusError(404)
}

// fakeECS answers registrations in turn; the last answer repeats. Without answers it echoes the attributes.
type fakeECS struct {
	requests []ecsapi.RegisterRequest
	created  []string
	answers  []answer
	// createErr fails CreateCluster.
	createErr error
}

type answer struct {
	instance ecsapi.ContainerInstance
	err      error
}

func (f *fakeECS) RegisterContainerInstance(_ context.Context, r ecsapi.RegisterRequest) (ecsapi.ContainerInstance, error) {
	f.requests = append(f.requests, r)
	if len(f.answers) == 0 {
		return accepted(r), nil
	}
	a := f.answers[0]
	if len(f.answers) > 1 {
		f.answers = f.answers[1:]
	}
	if a.err == nil && a.instance.ARN == "" {
		return accepted(r), nil
	}
	return a.instance, a.err
}

func (f *fakeECS) CreateCluster(_ context.Context, name string) (string, error) {
	f.created = append(f.created, name)
	return name, f.createErr
}

func accepted(r ecsapi.RegisterRequest) ecsapi.ContainerInstance {
	return ecsapi.ContainerInstance{ARN: "arn:ci", Attributes: append(append([]ecsapi.Attribute{}, r.Attributes...),
		ecsapi.NamedValue("ecs.availability-zone", "us-west-2a"), ecsapi.Named("ecs.awsvpc-trunk-id"))}
}

func apiError(code, message string) error {
	return &ecsapi.Error{APIError: &awsclient.APIError{Operation: "RegisterContainerInstance", Code: code, Message: message, Status: 400}}
}

// fakeCredentials counts.
type fakeCredentials struct {
	invalidated, retrieved int
	err                    error
}

func (c *fakeCredentials) Invalidate() { c.invalidated++ }
func (c *fakeCredentials) Retrieve(context.Context) (awsclient.Credentials, error) {
	c.retrieved++
	return awsclient.Credentials{AccessKeyID: "AK", SecretAccessKey: "s"}, c.err
}

type fakeTags struct {
	tags  map[string]string
	err   error
	asked []string
}

func (f *fakeTags) DescribeInstanceTags(_ context.Context, id string) (map[string]string, error) {
	f.asked = append(f.asked, id)
	return f.tags, f.err
}

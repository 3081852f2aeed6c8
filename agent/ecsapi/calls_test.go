package ecsapi

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/amazon-ecs-agent/agent/awsclient"
)

func TestRegisterContainerInstance(t *testing.T) {
	f := &fakeECS{answers: []fakeAnswer{ok(`{"containerInstance":{"containerInstanceArn":"arn:ci","status":"ACTIVE","attributes":[
{"name":"stack","value":"prod"},{"name":"ecs.capability.full-sync"},{"name":"ecs.availability-zone","value":"us-west-2a"}]}}`)}}
	got, err := newTestClient(t, f).RegisterContainerInstance(t.Context(), RegisterRequest{
		Cluster:           "production",
		Attributes:        []Attribute{NamedValue("stack", "prod"), NamedValue("no-value", ""), Named("ecs.capability.full-sync"), NamedValue("ecs.os-type", "linux")},
		Tags:              []Tag{{"team", "platform"}},
		IdentityDocument:  `{"accountId":"123456789012","architecture":"x86_64","availabilityZone":"us-west-2a","instanceId":"i-0123456789abcdef0","instanceType":"m5.xlarge","region":"us-west-2","version":"2017-09-30"}`,
		IdentitySignature: "BASE64SIGNATURE",
		Resources: []Resource{
			{Name: "CPU", Type: IntegerResource, Integer: 4096},
			{Name: "MEMORY", Type: IntegerResource, Integer: 15704},
			{Name: "PORTS", Type: StringSetResource, StringSet: []string{"22", "2375", "2376", "51678", "51679"}},
			{Name: "PORTS_UDP", Type: StringSetResource, StringSet: []string{}},
		},
		ClientToken: "3f0c1b5e-7f0a-4a51-9d4e-2f8f5c1f6b9a",
	})
	if err != nil {
		t.Fatal(err)
	}
	expectRequest(t, f, "RegisterContainerInstance", "register")
	if got.ARN != "arn:ci" || len(got.Attributes) != 3 || got.Attributes[0].Text() != "prod" || got.Attributes[1].Value != nil {
		t.Errorf("got %+v", got)
	}
}

func TestRegisterSendsEmptyIdentityAndLeavesOutWhatIsUnset(t *testing.T) {
	f := &fakeECS{}
	if _, err := newTestClient(t, f).RegisterContainerInstance(t.Context(), RegisterRequest{
		Cluster: "c", ContainerInstanceARN: "arn:ci", ClientToken: "t",
		PlatformDevices: []PlatformDevice{{"GPU-1", "GPU"}},
		Resources:       []Resource{{Name: "MEMORY", Type: IntegerResource}},
	}); err != nil {
		t.Fatal(err)
	}
	expectJSON(t, f.requests[0].body, []byte(`{"cluster":"c","containerInstanceArn":"arn:ci","clientToken":"t","instanceIdentityDocument":"",
"instanceIdentityDocumentSignature":"","platformDevices":[{"id":"GPU-1","type":"GPU"}],"totalResources":[{"name":"MEMORY","type":"INTEGER"}]}`))
}

func TestCreateClusterAndDrain(t *testing.T) {
	f := &fakeECS{answers: []fakeAnswer{ok(`{"cluster":{"clusterName":"default"}}`)}}
	name, err := newTestClient(t, f).CreateCluster(t.Context(), "default")
	if err != nil || name != "default" {
		t.Errorf("got %q, %v", name, err)
	}
	expectJSON(t, f.requests[0].body, []byte(`{"clusterName":"default"}`))

	f = &fakeECS{}
	if err := newTestClient(t, f).DrainContainerInstance(t.Context(), "c", testCI); err != nil {
		t.Fatal(err)
	}
	if f.requests[0].target != "AmazonEC2ContainerServiceV20141113.UpdateContainerInstancesState" {
		t.Errorf("target %s", f.requests[0].target)
	}
	expectJSON(t, f.requests[0].body, []byte(`{"containerInstances":["`+testCI+`"],"status":"DRAINING","cluster":"c"}`))
}

const pollAnswerText = `{"endpoint":"https://ecs-a-1.us-west-2.amazonaws.com/","telemetryEndpoint":"https://ecs-t-1.us-west-2.amazonaws.com/","serviceConnectEndpoint":"https://ecs-sc.us-west-2.api.aws"}`

func TestPollEndpointCache(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fakeECS{answers: []fakeAnswer{ok(pollAnswerText)}}
		c := newTestClient(t, f)
		start := time.Now()
		steps := []struct {
			at     time.Duration
			ask    func(context.Context, string, string) (string, error)
			answer *fakeAnswer
			calls  int
			want   string
		}{
			{0, c.DiscoverPollEndpoint, nil, 1, "https://ecs-a-1.us-west-2.amazonaws.com/"},
			{time.Second, c.DiscoverTelemetryEndpoint, nil, 0, "https://ecs-t-1.us-west-2.amazonaws.com/"},
			{2 * time.Second, c.DiscoverServiceConnectEndpoint, nil, 0, "https://ecs-sc.us-west-2.api.aws"},
			{11*time.Hour + 59*time.Minute, c.DiscoverPollEndpoint, nil, 0, "https://ecs-a-1.us-west-2.amazonaws.com/"},
			{12*time.Hour + time.Minute, c.DiscoverPollEndpoint, &fakeAnswer{status: 500}, 3, "https://ecs-a-1.us-west-2.amazonaws.com/"},
			{12*time.Hour + 2*time.Minute, c.DiscoverPollEndpoint, &fakeAnswer{status: 200, body: `{"endpoint":"https://ecs-a-2.us-west-2.amazonaws.com/"}`}, 1, "https://ecs-a-2.us-west-2.amazonaws.com/"},
		}
		for _, s := range steps {
			time.Sleep(time.Until(start.Add(s.at)))
			if s.answer != nil {
				f.answers = []fakeAnswer{*s.answer}
			}
			before := len(f.requests)
			got, err := s.ask(t.Context(), testCluster, testCI)
			if err != nil || got != s.want || len(f.requests)-before != s.calls {
				t.Errorf("at %v: got %q, %v after %d calls; want %q after %d", s.at, got, err, len(f.requests)-before, s.want, s.calls)
			}
		}
		expectJSON(t, f.requests[0].body, []byte(`{"cluster":"test-cluster","containerInstance":"`+testCI+`","zoneId":""}`))
		if _, err := c.DiscoverTelemetryEndpoint(t.Context(), testCluster, "arn:other"); err == nil {
			t.Error("the cache must know container instances apart")
		}
	})
}

func TestPollEndpointErrors(t *testing.T) {
	f := &fakeECS{answers: []fakeAnswer{ok(`{}`)}}
	c := newTestClient(t, f)
	for want, ask := range map[string]func(context.Context, string, string) (string, error){
		"no endpoint returned; nil":                c.DiscoverPollEndpoint,
		"no telemetry endpoint returned; nil":      c.DiscoverTelemetryEndpoint,
		"no ServiceConnect endpoint returned; nil": c.DiscoverServiceConnectEndpoint,
	} {
		if _, err := ask(t.Context(), testCluster, testCI); err == nil || err.Error() != want {
			t.Errorf("got %v, want %s", err, want)
		}
	}
	if len(f.requests) != 1 {
		t.Errorf("%d calls: an answer without an endpoint is cached too", len(f.requests))
	}
	synctest.Test(t, func(t *testing.T) {
		c := newTestClient(t, &fakeECS{answers: []fakeAnswer{{err: syscall.ECONNREFUSED}}})
		if _, err := c.DiscoverPollEndpoint(t.Context(), testCluster, testCI); !errors.Is(err, syscall.ECONNREFUSED) {
			t.Errorf("got %v", err)
		}
	})
}

func TestConcurrentDiscoveryMakesOneCall(t *testing.T) {
	f := &fakeECS{answers: []fakeAnswer{ok(pollAnswerText)}}
	c := newTestClient(t, f)
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() {
			if _, err := c.DiscoverPollEndpoint(t.Context(), testCluster, testCI); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if len(f.requests) != 1 {
		t.Errorf("%d calls", len(f.requests))
	}
}

func TestListTags(t *testing.T) {
	f := &fakeECS{answers: []fakeAnswer{ok(`{"tags":[{"key":"k","value":"v"}]}`)}}
	c := newTestClient(t, f)
	tags, err := c.ListTagsForResource(t.Context(), testTask, "web")
	if err != nil || len(tags) != 1 || tags[0] != (Tag{"k", "v"}) {
		t.Errorf("got %v, %v", tags, err)
	}
	expectJSON(t, f.requests[0].body, []byte(`{"resourceArn":"`+testTask+`"}`))
	if got := f.requests[0].header.Get("User-Agent"); got != "agent container/web" {
		t.Errorf("User-Agent %q", got)
	}
	if _, err := c.ListTagsForResource(t.Context(), testCI, ""); err != nil || f.requests[1].header.Get("User-Agent") != "agent" {
		t.Errorf("%v, User-Agent %q", err, f.requests[1].header.Get("User-Agent"))
	}
}

func TestListTagsRetriesTransientErrorsForHalfAMinute(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fakeECS{answers: []fakeAnswer{failure(400, "ServerException", "m")}}
		start := time.Now()
		_, err := newTestClient(t, f).ListTagsForResource(t.Context(), testTask, "")
		// ServerException with status 400 is not repeated inside a call, so each request is one round of the loop:
		// 0.5, 0.75, 1.125, 1.6875, 2.53, 3.80, 5.70, 8.54 s add up to 24.6 s; with up to 10 % on top at most 27.1 s.
		if took := time.Since(start); took != 30*time.Second || len(f.requests) != 9 {
			t.Errorf("%d requests in %v", len(f.requests), took)
		}
		if !errors.Is(err, ErrTransient) || !strings.HasPrefix(err.Error(), fmt.Sprintf("GetResourceTags failed for %s after 9 attempts: ", testTask)) {
			t.Errorf("got %v", err)
		}
	})
	f := &fakeECS{answers: []fakeAnswer{failure(400, "AccessDeniedException", "m")}}
	_, err := newTestClient(t, f).ListTagsForResource(t.Context(), testTask, "")
	want := "GetResourceTags failed for " + testTask + " after 1 attempts: ListTagsForResource: AccessDeniedException: m"
	if !errors.Is(err, ErrAccessDenied) || err.Error() != want || len(f.requests) != 1 {
		t.Errorf("got %v", err)
	}
}

func TestTaskProtection(t *testing.T) {
	role := awsclient.Credentials{AccessKeyID: "AKROLE", SecretAccessKey: "s"}
	f := &fakeECS{answers: []fakeAnswer{
		ok(`{"protectedTasks":[{"taskArn":"` + testTask + `","protectionEnabled":true,"expirationDate":1741068367.25}],"failures":[]}`),
		ok(`{"protectedTasks":[{"protectionEnabled":false}]}`),
		ok(`{"failures":[{"arn":"` + testTask + `","reason":"DEPLOYMENT_BLOCKED"}]}`),
	}}
	c := newTestClient(t, f)
	got, err := c.GetTaskProtection(t.Context(), role, "default", testTask)
	if err != nil || len(got.Protected) != 1 || len(got.Failures) != 0 {
		t.Fatalf("got %+v, %v", got, err)
	}
	p := got.Protected[0]
	if *p.TaskARN != testTask || !p.Enabled || !p.Expires.Equal(time.Date(2025, 3, 4, 6, 6, 7, 250e6, time.UTC)) {
		t.Errorf("got %+v", p)
	}
	expectJSON(t, f.requests[0].body, []byte(`{"cluster":"default","tasks":["`+testTask+`"]}`))
	if !strings.Contains(f.requests[0].header.Get("Authorization"), "Credential=AKROLE/") {
		t.Error("task protection must be signed with the task role")
	}
	minutes := int32(60)
	got, err = c.UpdateTaskProtection(t.Context(), role, ProtectionUpdate{Cluster: "default", TaskARN: testTask, Enabled: true, ExpiresInMinutes: &minutes})
	if err != nil || got.Protected[0].Expires != nil || got.Protected[0].TaskARN != nil {
		t.Errorf("got %+v, %v", got, err)
	}
	expectJSON(t, f.requests[1].body, []byte(`{"cluster":"default","tasks":["`+testTask+`"],"protectionEnabled":true,"expiresInMinutes":60}`))
	got, err = c.UpdateTaskProtection(t.Context(), role, ProtectionUpdate{Cluster: "default", TaskARN: testTask})
	if err != nil || len(got.Failures) != 1 || *got.Failures[0].Reason != "DEPLOYMENT_BLOCKED" || got.Failures[0].Detail != nil {
		t.Errorf("got %+v, %v", got, err)
	}
	expectJSON(t, f.requests[2].body, []byte(`{"cluster":"default","tasks":["`+testTask+`"],"protectionEnabled":false}`))
}

func TestErrorClasses(t *testing.T) {
	classes := map[string]error{
		"transient": ErrTransient, "invalid": ErrInvalidParameter, "client": ErrClient, "denied": ErrAccessDenied,
		"cluster": ErrClusterNotFound, "type": ErrInstanceTypeChanged,
	}
	cases := []struct {
		code, message string
		want          []string
	}{
		{"ThrottlingException", "m", []string{"transient"}},
		{"ServerException", "m", []string{"transient"}},
		{"LimitExceededException", "m", []string{"transient"}},
		{"InvalidParameterException", "m", []string{"invalid"}},
		{"ClientException", "m", []string{"client"}},
		{"ClientException", "Cluster not found.", []string{"client", "cluster"}},
		{"ClusterNotFoundException", "", []string{"cluster"}},
		{"ClientException", "x Container instance type changes are not supported. y", []string{"client", "type"}},
		{"AccessDeniedException", "m", []string{"denied"}},
		{"SomethingElse", "m", nil},
	}
	for _, c := range cases {
		err := classify(&awsclient.APIError{Operation: "Op", Code: c.code, Message: c.message, Status: 400})
		for _, e := range []error{err, fmt.Errorf("register: %w", err), classify(fmt.Errorf("%w (%w)", &awsclient.APIError{Code: c.code, Message: c.message}, context.Canceled))} {
			for name, class := range classes {
				if got, want := errors.Is(e, class), strings.Contains(" "+strings.Join(c.want, " ")+" ", " "+name+" "); got != want {
					t.Errorf("%v is %s: %v, want %v", e, name, got, want)
				}
			}
			if awsclient.ErrorCode(e) != c.code {
				t.Errorf("code of %v: %q", e, awsclient.ErrorCode(e))
			}
		}
	}
	if awsclient.ErrorCode(syscall.ECONNREFUSED) != "" || classify(nil) != nil {
		t.Error("errors that are no answers have no code")
	}
}

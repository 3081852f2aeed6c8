package ecsapi

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"testing"

	"github.com/aws/amazon-ecs-agent/agent/awsclient"
	"github.com/aws/amazon-ecs-agent/agent/goldenfile"
	"github.com/google/go-cmp/cmp"
)

// sent is a request as the fake service saw it.
type sent struct {
	target string
	header http.Header
	body   []byte
	url    string
}

// fakeECS is a service without a network: it records requests and answers them in turn; the last answer repeats.
type fakeECS struct {
	requests []sent
	answers  []fakeAnswer
}

type fakeAnswer struct {
	status int
	body   string
	err    error
}

func ok(body string) fakeAnswer { return fakeAnswer{status: 200, body: body} }

func failure(status int, code, message string) fakeAnswer {
	b, _ := json.Marshal(map[string]string{"__type": "com.amazonaws.ecs#" + code, "message": message})
	return fakeAnswer{status: status, body: string(b)}
}

func (f *fakeECS) RoundTrip(r *http.Request) (*http.Response, error) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	f.requests = append(f.requests, sent{r.Header.Get("X-Amz-Target"), r.Header, body, r.URL.String()})
	a := ok(`{}`)
	if len(f.answers) > 0 {
		a = f.answers[0]
		if len(f.answers) > 1 {
			f.answers = f.answers[1:]
		}
	}
	if a.err != nil {
		return nil, a.err
	}
	return &http.Response{StatusCode: a.status, Header: http.Header{}, Body: io.NopCloser(bytes.NewBufferString(a.body))}, nil
}

const (
	testCluster = "test-cluster"
	testTask    = "arn:aws:ecs:us-west-2:123456789012:task/test-cluster/0123456789abcdef0123456789abcdef"
	testCI      = "arn:aws:ecs:us-west-2:123456789012:container-instance/a1b2c3d4-5678-90ab-cdef-11111EXAMPLE"
	testAttach  = "arn:aws:ecs:us-west-2:123456789012:attachment/a1b2c3d4-5678-90ab-cdef-11111EXAMPLE"
)

func newTestClient(t *testing.T, f *fakeECS, change ...func(*Options)) *Client {
	t.Helper()
	o := Options{
		ClientOptions: awsclient.ClientOptions{
			Region:      "us-west-2",
			Credentials: awsclient.StaticCredentials{AccessKeyID: "AKID", SecretAccessKey: "s"},
			HTTP:        &http.Client{Transport: f},
			UserAgent:   "agent",
			Environment: awsclient.Environment{
				Getenv:   func(string) string { return "" },
				ReadFile: func(string) ([]byte, error) { return nil, os.ErrNotExist },
				HomeDir:  "/none",
			},
		},
		ExcludeIPv6Bindings: true,
	}
	for _, c := range change {
		c(&o)
	}
	c, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// expectRequest compares the only request of f with a golden body.
func expectRequest(t *testing.T, f *fakeECS, operation, golden string) {
	t.Helper()
	if len(f.requests) != 1 {
		t.Fatalf("%d requests, want 1", len(f.requests))
	}
	r := f.requests[0]
	if r.target != "AmazonEC2ContainerServiceV20141113."+operation {
		t.Errorf("target %s", r.target)
	}
	path := filepath.Join("testdata", golden+".json")
	if goldenfile.Updating() {
		var pretty bytes.Buffer
		if err := json.Indent(&pretty, r.body, "", " "); err != nil {
			t.Fatal(err)
		}
		pretty.WriteByte('\n')
		if err := os.WriteFile(path, pretty.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	expectJSON(t, r.body, want)
}

func expectJSON(t *testing.T, got, want []byte) {
	t.Helper()
	var g, w any
	if err := json.Unmarshal(got, &g); err != nil {
		t.Fatalf("%v in %s", err, got)
	}
	if err := json.Unmarshal(want, &w); err != nil {
		t.Fatalf("%v in %s", err, want)
	}
	if diff := cmp.Diff(w, g); diff != "" {
		t.Errorf("body (-want +got):\n%s", diff)
	}
}

func TestEndpoint(t *testing.T) {
	cases := []struct {
		name      string
		backend   string
		dualStack bool
		env       map[string]string
		want      string
	}{
		{"region", "", false, nil, "https://ecs.us-west-2.amazonaws.com/"},
		{"IPv6-only instance", "", true, nil, "https://ecs.us-west-2.api.aws/"},
		{"backend host without a scheme", " ecs.example.com ", true, nil, "https://ecs.example.com/"},
		{"backend host with http", "http://127.0.0.1:7080", false, nil, "http://127.0.0.1:7080/"},
		{"backend host with https", "https://ecs.example.com/", false, nil, "https://ecs.example.com/"},
		{"backend host before variables", "http://a.test", false, map[string]string{"AWS_ENDPOINT_URL_ECS": "http://b.test"}, "http://a.test/"},
		{"variable", "", true, map[string]string{"AWS_ENDPOINT_URL": "http://b.test"}, "http://b.test/"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			f := &fakeECS{}
			client := newTestClient(t, f, func(o *Options) {
				o.BackendHost, o.DualStack = c.backend, c.dualStack
				o.Environment.Getenv = func(k string) string { return c.env[k] }
			})
			if _, err := client.CreateCluster(t.Context(), "x"); err != nil {
				t.Fatal(err)
			}
			if got := f.requests[0].url; got != c.want {
				t.Errorf("got %s, want %s", got, c.want)
			}
		})
	}
	if _, err := New(Options{}); err == nil {
		t.Error("a client without region and backend host makes no sense")
	}
}

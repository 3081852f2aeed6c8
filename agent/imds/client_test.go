package imds

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/aws/amazon-ecs-agent/agent/config"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var _ config.Metadata = (*Client)(nil)

const document = `{"region":"us-west-2","availabilityZone":"us-west-2b","accountId":"123456789012","instanceId":"i-1","privateIp":"10.0.0.1"}`

// service is a metadata service with the values by path below /latest/.
type service struct {
	values map[string]string
	// token answers PUT /latest/api/token; nil gives the token "t".
	token http.HandlerFunc
	// before may answer a GET itself and return true.
	before func(w http.ResponseWriter, r *http.Request) bool

	mu       sync.Mutex
	requests []string // "PUT path" or "GET path token"
}

func (s *service) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	path := strings.TrimPrefix(r.URL.Path, "/latest/")
	s.mu.Lock()
	s.requests = append(s.requests, strings.TrimSpace(r.Method+" "+path+" "+r.Header.Get("X-Aws-Ec2-Metadata-Token")))
	s.mu.Unlock()
	if r.Method == http.MethodPut && path == "api/token" {
		if s.token != nil {
			s.token(w, r)
			return
		}
		w.Header().Set("X-Aws-Ec2-Metadata-Token-Ttl-Seconds", r.Header.Get("X-Aws-Ec2-Metadata-Token-Ttl-Seconds"))
		fmt.Fprint(w, "t")
		return
	}
	if s.before != nil && s.before(w, r) {
		return
	}
	value, ok := s.values[path]
	if !ok {
		http.Error(w, "none", http.StatusNotFound)
		return
	}
	fmt.Fprint(w, value)
}

func (s *service) count(request string) (n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, r := range s.requests {
		if r == request {
			n++
		}
	}
	return n
}

// start runs s and returns a client for it, steered by further variables.
func start(t *testing.T, s *service, env ...string) *Client {
	t.Helper()
	server := httptest.NewServer(s)
	c := New(lookup(append(env, "AWS_EC2_METADATA_SERVICE_ENDPOINT="+server.URL)...))
	t.Cleanup(func() {
		c.http.CloseIdleConnections()
		server.Close()
	})
	return c
}

func lookup(env ...string) func(string) (string, bool) {
	return func(name string) (string, bool) {
		for _, e := range env {
			if n, v, _ := strings.Cut(e, "="); n == name {
				return v, true
			}
		}
		return "", false
	}
}

// reader reads one path.
func reader(c *Client, path string) func(context.Context) (string, error) {
	return func(ctx context.Context) (string, error) { return c.Get(ctx, path) }
}

func TestValues(t *testing.T) {
	t.Parallel()
	const mac = "02:00:00:00:00:01"
	s := &service{values: map[string]string{
		"meta-data/instance-id": "i-1\n",
		"meta-data/mac":         mac,
		"meta-data/network/interfaces/macs/" + mac + "/vpc-id":                 "vpc-1",
		"meta-data/network/interfaces/macs/" + mac + "/subnet-id":              "subnet-1",
		"meta-data/network/interfaces/macs/" + mac + "/subnet-ipv4-cidr-block": "10.0.0.0/24",
		"meta-data/placement/availability-zone-id":                             "usw2-az1",
		"meta-data/placement/region":                                           "us-west-2\n",
		"user-data":                                                            "#!/bin/sh\n",
		"dynamic/instance-identity/document":                                   document + "\n",
		"dynamic/instance-identity/signature":                                  "sig\nnature\n",
		"meta-data/local-ipv4":                                                 "10.0.0.1",
		"meta-data/autoscaling/target-lifecycle-state":                         "Warmed:Stopped",
		"meta-data/iam/security-credentials/":                                  "role",
		"meta-data/iam/security-credentials/a,role":                            "{}",
	}}
	c := start(t, s)
	const twice, kept = 2, 1
	for _, v := range []struct {
		want     string
		path     string
		requests int
		read     func(context.Context) (string, error)
	}{
		{"i-1\n", "meta-data/instance-id", kept, nil},
		{mac, "meta-data/mac", kept, nil},
		{"vpc-1", "meta-data/network/interfaces/macs/" + mac + "/vpc-id", kept, nil},
		{"subnet-1", "meta-data/network/interfaces/macs/" + mac + "/subnet-id", kept, nil},
		{"10.0.0.0/24", "meta-data/network/interfaces/macs/" + mac + "/subnet-ipv4-cidr-block", twice, nil},
		{"usw2-az1", "meta-data/placement/availability-zone-id", kept, nil},
		{"us-west-2", "meta-data/placement/region", kept, c.PlacementRegion},
		{"#!/bin/sh\n", "user-data", kept, c.UserData},
		{"us-west-2", "dynamic/instance-identity/document", kept, c.IdentityRegion},
		{document + "\n", "dynamic/instance-identity/document", kept + twice, nil},
		{"sig\nnature\n", "dynamic/instance-identity/signature", twice, nil},
		{"10.0.0.1", "meta-data/local-ipv4", twice, nil},
		{"Warmed:Stopped", "meta-data/autoscaling/target-lifecycle-state", twice, nil},
		{"role", "meta-data/iam/security-credentials/", twice, nil},
		{"{}", "meta-data/iam/security-credentials/a,role", twice, reader(c, "meta-data/iam/security-credentials/a%2Crole")},
	} {
		if v.read == nil {
			v.read = reader(c, v.path)
		}
		for range 2 {
			if got, err := v.read(t.Context()); err != nil || got != v.want {
				t.Errorf("%s: %q, %v; want %q", v.path, got, err, v.want)
			}
		}
		if n := s.count("GET " + v.path + " t"); n != v.requests {
			t.Errorf("%s: %d requests, want %d", v.path, n, v.requests)
		}
	}
	if n := s.count("PUT api/token"); n != 1 {
		t.Errorf("%d tokens", n)
	}
	if _, err := c.Get(t.Context(), "nonsense/x"); err == nil {
		t.Error("an unknown category is no error")
	}
}

func TestFailuresAreNotKept(t *testing.T) {
	t.Parallel()
	s := &service{values: map[string]string{"dynamic/instance-identity/document": "{"}}
	c := start(t, s)
	instanceID := reader(c, "meta-data/instance-id")
	if _, err := instanceID(t.Context()); StatusCode(err) != http.StatusNotFound {
		t.Errorf("status %d of %v", StatusCode(err), err)
	}
	if _, err := c.IdentityRegion(t.Context()); err == nil || StatusCode(err) != 0 {
		t.Errorf("broken document: %v", err)
	}
	s.values["dynamic/instance-identity/document"] = "{}"
	if _, err := c.IdentityRegion(t.Context()); err == nil {
		t.Error("a document without region is no error")
	}
	s.values["dynamic/instance-identity/document"] = document
	s.values["meta-data/instance-id"] = "i-1"
	if id, err := instanceID(t.Context()); err != nil || id != "i-1" {
		t.Errorf("instance id %q, %v", id, err)
	}
	if region, err := c.IdentityRegion(t.Context()); err != nil || region != "us-west-2" {
		t.Errorf("region %q, %v", region, err)
	}
}

func TestACallIsTriedFiveTimes(t *testing.T) {
	t.Parallel()
	var n atomic.Int32
	s := &service{before: func(w http.ResponseWriter, _ *http.Request) bool {
		n.Add(1)
		http.Error(w, "later", http.StatusServiceUnavailable)
		return true
	}}
	begin := time.Now()
	_, err := start(t, s).Get(t.Context(), "meta-data/local-ipv4")
	if StatusCode(err) != http.StatusServiceUnavailable || n.Load() != maxAttempts {
		t.Errorf("%d requests, status %d of %v", n.Load(), StatusCode(err), err)
	}
	if d := time.Since(begin); d > callTimeout+time.Second {
		t.Errorf("took %v", d)
	}
}

func TestNotFoundIsNotRetried(t *testing.T) {
	t.Parallel()
	s := &service{}
	_, err := start(t, s).Get(t.Context(), "meta-data/outpost-arn")
	if StatusCode(err) != http.StatusNotFound || s.count("GET meta-data/outpost-arn t") != 1 {
		t.Errorf("%v, requests %v", err, s.requests)
	}
}

// A burst of 401 answers (the service restarted and forgot its tokens) costs retries, and must not leave too few for the
// others: the SDK's quota of 500 would end after 35 retries at 14 each.
func TestABurstOfUnauthorizedAnswersDoesNotUseUpAnyQuota(t *testing.T) {
	t.Parallel()
	const calls = 60
	s := &service{values: map[string]string{}}
	var seen sync.Map
	s.before = func(w http.ResponseWriter, r *http.Request) bool {
		if _, again := seen.LoadOrStore(r.URL.Path, true); again {
			return false
		}
		http.Error(w, "who are you", http.StatusUnauthorized)
		return true
	}
	for i := range calls {
		s.values[fmt.Sprintf("meta-data/%d", i)] = "v"
	}
	c := start(t, s)
	var failed atomic.Int32
	var wg sync.WaitGroup
	for i := range calls {
		wg.Go(func() {
			if _, err := c.Get(t.Context(), fmt.Sprintf("meta-data/%d", i)); err != nil {
				failed.Add(1)
			}
		})
	}
	wg.Wait()
	if n := failed.Load(); n > 0 {
		t.Errorf("%d of %d calls failed", n, calls)
	}
}

func TestFallbackToRequestsWithoutToken(t *testing.T) {
	t.Parallel()
	refuse := func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "no", http.StatusForbidden) }
	s := &service{values: map[string]string{"meta-data/mac": "m"}, token: refuse}
	if mac, err := start(t, s).Get(t.Context(), "meta-data/mac"); err != nil || mac != "m" {
		t.Errorf("%q, %v", mac, err)
	}
	if s.count("GET meta-data/mac") != 1 {
		t.Errorf("requests %v", s.requests)
	}

	s = &service{values: map[string]string{"meta-data/mac": "m"}, token: refuse}
	if _, err := start(t, s, "AWS_EC2_METADATA_V1_DISABLED=true").Get(t.Context(), "meta-data/mac"); err == nil {
		t.Error("v1 disabled: no error")
	}
	if s.count("GET meta-data/mac") != 0 {
		t.Errorf("requests %v", s.requests)
	}
}

func TestTheTokenLivesFiveMinutes(t *testing.T) {
	t.Parallel()
	var ttl atomic.Value
	s := &service{values: map[string]string{"meta-data/mac": "m"}, token: func(w http.ResponseWriter, r *http.Request) {
		ttl.Store(r.Header.Get("X-Aws-Ec2-Metadata-Token-Ttl-Seconds"))
		w.Header().Set("X-Aws-Ec2-Metadata-Token-Ttl-Seconds", "300")
		fmt.Fprint(w, "t")
	}}
	if _, err := start(t, s).Get(t.Context(), "meta-data/mac"); err != nil || ttl.Load() != "300" {
		t.Errorf("ttl %v, %v", ttl.Load(), err)
	}
}

func TestASilentServiceEndsTheCall(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	c := New(lookup("AWS_EC2_METADATA_SERVICE_ENDPOINT=http://" + l.Addr().String()))
	defer c.http.CloseIdleConnections()
	begin := time.Now()
	if _, err = c.Get(context.Background(), "meta-data/mac"); err == nil {
		t.Error("no error")
	}
	if d := time.Since(begin); d < headerTimeout || d > callTimeout+time.Second {
		t.Errorf("took %v", d)
	}
}

func TestSwitchedOff(t *testing.T) {
	t.Parallel()
	s := &service{}
	_, err := start(t, s, "AWS_EC2_METADATA_DISABLED=true").Get(t.Context(), "meta-data/mac")
	if !errors.Is(err, ErrDisabled) || !NeverAnswers(err) || IsBlackholed(err) || len(s.requests) > 0 {
		t.Errorf("%v, requests %v", err, s.requests)
	}
}

func TestEndpoints(t *testing.T) {
	for env, want := range map[string]string{
		"": "http://169.254.169.254",
		"AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE=IPv6":    "http://[fd00:ec2::254]",
		"AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE=ipv4":    "http://169.254.169.254",
		"AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE=5":       "http://169.254.169.254",
		"AWS_EC2_METADATA_SERVICE_ENDPOINT=http://[::1]": "http://[::1]",
	} {
		if got := options(lookup(env), nil).Endpoint; got != want {
			t.Errorf("%s: %s, want %s", env, got, want)
		}
	}
}

func TestBlackholed(t *testing.T) {
	c := Blackholed()
	for _, read := range []func(context.Context) (string, error){reader(c, "meta-data/instance-id"), c.UserData, c.IdentityRegion, c.PlacementRegion} {
		if _, err := read(t.Context()); err == nil || err.Error() != "blackholed" || !IsBlackholed(err) {
			t.Errorf("%v", err)
		}
	}
}

func TestConcurrentReaders(t *testing.T) {
	t.Parallel()
	s := &service{values: map[string]string{"meta-data/mac": "m"}}
	c := start(t, s)
	var wg sync.WaitGroup
	results := make([]string, 8)
	for i := range results {
		wg.Go(func() { results[i], _ = c.Get(t.Context(), "meta-data/mac") })
	}
	wg.Wait()
	if slices.ContainsFunc(results, func(r string) bool { return r != "m" }) {
		t.Errorf("%q", results)
	}
}

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
	"testing/synctest"
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

func TestValues(t *testing.T) {
	t.Parallel()
	s := &service{values: map[string]string{
		"meta-data/instance-id": "i-1\n",
		"meta-data/mac":         "02:00:00:00:00:01",
		"meta-data/network/interfaces/macs/02:00:00:00:00:01/vpc-id":    "vpc-1",
		"meta-data/network/interfaces/macs/02:00:00:00:00:01/subnet-id": "subnet-1",
		"meta-data/placement/availability-zone-id":                      "usw2-az1",
		"meta-data/placement/region":                                    "us-west-2",
		"user-data":                                                     "#!/bin/sh\n",
		"dynamic/instance-identity/document":                            document + "\n",
		"dynamic/instance-identity/signature":                           "sig\nnature\n",
		"meta-data/local-ipv4":                                          "10.0.0.1",
		"meta-data/public-ipv4":                                         "192.0.2.1",
		"meta-data/ipv6":                                                "2001:db8::1",
		"meta-data/outpost-arn":                                         "arn:aws:outposts:us-west-2:123456789012:outpost/op-1",
		"meta-data/autoscaling/target-lifecycle-state":                  "Warmed:Stopped",
		"meta-data/iam/security-credentials/":                           "role",
		"meta-data/iam/security-credentials/a,role":                     "{}",
	}}
	c := start(t, s)
	get := func(path string) func(context.Context) (string, error) {
		return func(ctx context.Context) (string, error) { return c.Get(ctx, path) }
	}
	const mac = "02:00:00:00:00:01"
	for _, v := range []struct {
		name, want string
		path       string
		kept       bool
		read       func(context.Context) (string, error)
	}{
		{"instance id", "i-1", "meta-data/instance-id", true, c.InstanceID},
		{"mac", mac, "meta-data/mac", true, c.PrimaryMAC},
		{"vpc", "vpc-1", "meta-data/network/interfaces/macs/" + mac + "/vpc-id", true, func(ctx context.Context) (string, error) { return c.VPCID(ctx, mac) }},
		{"subnet", "subnet-1", "meta-data/network/interfaces/macs/" + mac + "/subnet-id", true, func(ctx context.Context) (string, error) { return c.SubnetID(ctx, mac) }},
		{"az id", "usw2-az1", "meta-data/placement/availability-zone-id", true, c.AvailabilityZoneID},
		{"placement region", "us-west-2", "meta-data/placement/region", true, c.PlacementRegion},
		{"user data", "#!/bin/sh\n", "user-data", true, c.UserData},
		{"identity region", "us-west-2", "", true, c.IdentityRegion},
		{"signature", "sig\nnature\n", "dynamic/instance-identity/signature", false, c.IdentitySignature},
		{"local ipv4", "10.0.0.1", "meta-data/local-ipv4", false, c.LocalIPv4},
		{"public ipv4", "192.0.2.1", "meta-data/public-ipv4", false, c.PublicIPv4},
		{"ipv6", "2001:db8::1", "meta-data/ipv6", false, c.IPv6},
		{"outpost", "arn:aws:outposts:us-west-2:123456789012:outpost/op-1", "meta-data/outpost-arn", false, c.OutpostARN},
		{"lifecycle", "Warmed:Stopped", "meta-data/autoscaling/target-lifecycle-state", false, c.TargetLifecycleState},
		{"role list", "role", "meta-data/iam/security-credentials/", false, get("meta-data/iam/security-credentials/")},
		{"escaped role", "{}", "meta-data/iam/security-credentials/a,role", false, get("meta-data/iam/security-credentials/a%2Crole")},
		{"document", document + "\n", "", false, c.RawIdentityDocument},
	} {
		for range 2 {
			if got, err := v.read(t.Context()); err != nil || got != v.want {
				t.Errorf("%s: %q, %v; want %q", v.name, got, err, v.want)
			}
		}
		want := 2
		if v.kept {
			want = 1
		}
		if n := s.count("GET " + v.path + " t"); v.path != "" && n != want {
			t.Errorf("%s: %d requests, want %d", v.name, n, want)
		}
	}
	doc, err := c.IdentityDocument(t.Context())
	if want := (IdentityDocument{Region: "us-west-2", AvailabilityZone: "us-west-2b", AccountID: "123456789012", InstanceID: "i-1"}); err != nil || doc != want {
		t.Errorf("document %+v, %v", doc, err)
	}
	// Kept once for the parsed form, read twice for the raw one.
	if n := s.count("GET dynamic/instance-identity/document t"); n != 3 {
		t.Errorf("%d document requests", n)
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
	if _, err := c.InstanceID(t.Context()); StatusCode(err) != http.StatusNotFound {
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
	if id, err := c.InstanceID(t.Context()); err != nil || id != "i-1" {
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
	_, err := start(t, s).LocalIPv4(t.Context())
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
	_, err := start(t, s).OutpostARN(t.Context())
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
	if mac, err := start(t, s).PrimaryMAC(t.Context()); err != nil || mac != "m" {
		t.Errorf("%q, %v", mac, err)
	}
	if s.count("GET meta-data/mac") != 1 {
		t.Errorf("requests %v", s.requests)
	}

	s = &service{values: map[string]string{"meta-data/mac": "m"}, token: refuse}
	if _, err := start(t, s, "AWS_EC2_METADATA_V1_DISABLED=true").PrimaryMAC(t.Context()); err == nil {
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
	if _, err := start(t, s).PrimaryMAC(t.Context()); err != nil || ttl.Load() != "300" {
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
	if _, err = c.PrimaryMAC(context.Background()); err == nil {
		t.Error("no error")
	}
	if d := time.Since(begin); d < headerTimeout || d > callTimeout+time.Second {
		t.Errorf("took %v", d)
	}
}

func TestSwitchedOff(t *testing.T) {
	t.Parallel()
	s := &service{}
	if _, err := start(t, s, "AWS_EC2_METADATA_DISABLED=true").PrimaryMAC(t.Context()); err == nil || len(s.requests) > 0 {
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
	for _, read := range []func(context.Context) (string, error){c.InstanceID, c.UserData, c.IdentityRegion, c.PlacementRegion, c.LocalIPv4, c.TargetLifecycleState} {
		if _, err := read(t.Context()); err == nil || err.Error() != "blackholed" || !IsBlackholed(err) {
			t.Errorf("%v", err)
		}
	}
	if _, err := c.SpotInstanceAction(t.Context()); !IsBlackholed(err) {
		t.Errorf("%v", err)
	}
}

func TestSpotInstanceAction(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		body string
		want SpotAction
		bad  bool
	}{
		{body: `{"action": "terminate", "time": "2017-09-18T08:22:00Z"}`, want: SpotAction{"terminate", "2017-09-18T08:22:00Z"}},
		{body: `{"action": "hibernate", "time": "2017-09-18T08:22:00Z"}`, want: SpotAction{"hibernate", "2017-09-18T08:22:00Z"}},
		{body: `{"action": "stop", "time": "2017-09-18T08:22:00Z"}`, want: SpotAction{"stop", "2017-09-18T08:22:00Z"}},
		{body: `{"action": "terminate" "time": "2017-09-18T08:22:00Z"}`, bad: true},
		{body: ``, bad: true},
		{body: `{"action": "flip!", "time": "2017-09-18T08:22:00Z"}`, bad: true},
	} {
		got, err := start(t, &service{values: map[string]string{"meta-data/spot/instance-action": c.body}}).SpotInstanceAction(t.Context())
		if got != c.want || errors.Is(err, ErrBadSpotAction) != c.bad || !c.bad && err != nil {
			t.Errorf("%q: %+v, %v", c.body, got, err)
		}
	}
	_, err := start(t, &service{}).SpotInstanceAction(t.Context())
	if errors.Is(err, ErrBadSpotAction) || StatusCode(err) != http.StatusNotFound {
		t.Errorf("nothing announced: %v", err)
	}
}

func TestRetryPauses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var at []time.Duration
		begin := time.Now()
		boom := errors.New("boom")
		_, err := Retry(t.Context(), func(context.Context) (string, error) {
			at = append(at, time.Since(begin))
			return "", boom
		})
		if !errors.Is(err, boom) || len(at) != 5 {
			t.Fatalf("%v after %d calls", err, len(at))
		}
		for i, pause := range []time.Duration{1000, 1300, 1690, 2197} {
			pause *= time.Millisecond
			if d := at[i+1] - at[i]; d < pause || d > pause*12/10 {
				t.Errorf("pause %d is %v, want %v to 20%% more", i, d, pause)
			}
		}
	})
}

func TestRetryEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		answers := []error{errors.New("boom"), nil}
		v, err := Retry(t.Context(), func(context.Context) (int, error) {
			err := answers[0]
			answers = answers[1:]
			return len(answers), err
		})
		if v != 0 || err != nil {
			t.Errorf("success: %d, %v", v, err)
		}

		calls := 0
		_, err = Retry(t.Context(), func(ctx context.Context) (string, error) { calls++; return Blackholed().InstanceID(ctx) })
		if calls != 1 || !IsBlackholed(err) {
			t.Errorf("black-holed: %d calls, %v", calls, err)
		}

		ctx, cancel := context.WithTimeout(t.Context(), 1500*time.Millisecond)
		defer cancel()
		begin := time.Now()
		_, err = Retry(ctx, func(context.Context) (string, error) { return "", errors.New("boom") })
		if d := time.Since(begin); err == nil || d != 1500*time.Millisecond {
			t.Errorf("cancelled: %v after %v", err, d)
		}
	})
}

func TestConcurrentReaders(t *testing.T) {
	t.Parallel()
	s := &service{values: map[string]string{"meta-data/mac": "m"}}
	c := start(t, s)
	var wg sync.WaitGroup
	results := make([]string, 8)
	for i := range results {
		wg.Go(func() { results[i], _ = c.PrimaryMAC(t.Context()) })
	}
	wg.Wait()
	if slices.ContainsFunc(results, func(r string) bool { return r != "m" }) {
		t.Errorf("%q", results)
	}
}

package imds

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/aws/amazon-ecs-agent/misc/local-ecs/internal/ecs"
	"github.com/aws/amazon-ecs-agent/misc/local-ecs/internal/rolecreds"
)

type fixture struct {
	t   *testing.T
	s   *Server
	url string
	now time.Time
}

func start(t *testing.T) *fixture {
	f := &fixture{t: t, now: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)}
	f.s = &Server{Names: ecs.Names{Partition: "aws", Region: "us-east-1", Account: "123456789012"}, Zone: "us-east-1a", InstanceID: "i-1",
		Source: rolecreds.Fake(time.Hour), Now: func() time.Time { return f.now }}
	h := httptest.NewServer(f.s)
	t.Cleanup(h.Close)
	f.url = h.URL
	return f
}

func (f *fixture) do(method, path string, header ...string) (int, string) {
	f.t.Helper()
	req, _ := http.NewRequest(method, f.url+path, nil)
	for i := 0; i < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		f.t.Fatal(err)
	}
	defer resp.Body.Close()
	b, _ := io.ReadAll(resp.Body)
	return resp.StatusCode, string(b)
}

func (f *fixture) token() string {
	f.t.Helper()
	status, token := f.do("PUT", "/latest/api/token", "X-aws-ec2-metadata-token-ttl-seconds", "60")
	if status != 200 {
		f.t.Fatalf("token: %d %s", status, token)
	}
	return token
}

func TestTokens(t *testing.T) {
	f := start(t)
	for _, ttl := range []string{"", "0", "x", "21601"} {
		if status, _ := f.do("PUT", "/latest/api/token", "X-aws-ec2-metadata-token-ttl-seconds", ttl); status != 400 {
			t.Errorf("ttl %q: %d", ttl, status)
		}
	}
	if status, _ := f.do("GET", "/latest/meta-data/instance-id"); status != 401 {
		t.Errorf("without a token: %d", status)
	}
	token := f.token()
	if status, body := f.do("GET", "/latest/meta-data/instance-id", "X-aws-ec2-metadata-token", token); status != 200 || body != "i-1" {
		t.Errorf("%d %s", status, body)
	}
	f.now = f.now.Add(61 * time.Second)
	if status, _ := f.do("GET", "/latest/meta-data/instance-id", "X-aws-ec2-metadata-token", token); status != 401 {
		t.Errorf("with an expired token: %d", status)
	}
}

func TestAnswers(t *testing.T) {
	f := start(t)
	token := f.token()
	get := func(path string) (int, string) { return f.do("GET", path, "X-aws-ec2-metadata-token", token) }
	for path, want := range map[string]string{
		"/latest/meta-data/mac":                                           mac,
		"/latest/meta-data/network/interfaces/macs/":                      mac + "/",
		"/latest/meta-data/network/interfaces/macs/" + mac + "/vpc-id":    vpcID,
		"/latest/meta-data/network/interfaces/macs/" + mac + "/subnet-id": subnetID,
		"/latest/meta-data/placement/availability-zone":                   "us-east-1a",
		"/latest/meta-data/placement/region":                              "us-east-1",
		"/latest/meta-data/iam/security-credentials/":                     roleName,
		"/latest/dynamic/instance-identity/":                              "document\nsignature",
	} {
		if status, body := get(path); status != 200 || body != want {
			t.Errorf("%s: %d %q, want %q", path, status, body, want)
		}
	}
	for _, path := range []string{"/latest/user-data", "/latest/meta-data/spot/instance-action", "/latest/meta-data/outpost-arn", "/latest/meta-data/iam/security-credentials/other", "/"} {
		if status, _ := get(path); status != 404 {
			t.Errorf("%s: %d", path, status)
		}
	}
	var document struct{ InstanceID, Region, AccountID string }
	_, body := get("/latest/dynamic/instance-identity/document")
	if err := json.Unmarshal([]byte(body), &document); err != nil || document.InstanceID != "i-1" || document.Region != "us-east-1" {
		t.Errorf("%s %v", body, err)
	}
	var credentials struct{ Code, AccessKeyID, SecretAccessKey, Token, Expiration string }
	_, body = get("/latest/meta-data/iam/security-credentials/" + roleName)
	if err := json.Unmarshal([]byte(body), &credentials); err != nil || credentials.Code != "Success" || !strings.HasPrefix(credentials.AccessKeyID, "ASIALOCALECSFAKE") || credentials.Expiration != "2026-01-01T01:00:00Z" {
		t.Errorf("%s %v", body, err)
	}
}

func TestReplacedAnswers(t *testing.T) {
	f := start(t)
	token := f.token()
	get := func(path string) (int, string) { return f.do("GET", path, "X-aws-ec2-metadata-token", token) }
	f.s.Set("spot/instance-action", 0, `{"action":"terminate"}`)
	f.s.Set("user-data", 0, "#cloud-config")
	f.s.Set("instance-id", 503, "")
	if status, body := get("/latest/meta-data/spot/instance-action"); status != 200 || !strings.Contains(body, "terminate") {
		t.Errorf("%d %s", status, body)
	}
	if _, body := get("/latest/user-data"); body != "#cloud-config" {
		t.Errorf("%s", body)
	}
	if status, _ := get("/latest/meta-data/instance-id"); status != 503 {
		t.Errorf("%d", status)
	}
	f.s.Set("instance-id", 0, "")
	if _, body := get("/latest/meta-data/instance-id"); body != "i-1" {
		t.Errorf("%s", body)
	}
}

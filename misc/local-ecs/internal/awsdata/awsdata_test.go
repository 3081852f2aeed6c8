package awsdata

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/aws/amazon-ecs-agent/misc/local-ecs/internal/ecs"
	"github.com/aws/amazon-ecs-agent/misc/local-ecs/internal/faults"
)

const secretARN = "arn:aws:secretsmanager:us-east-1:123456789012:secret:prod/db"

// newHandler makes a directory of files, by name.
func newHandler(t *testing.T, files map[string]string) *Handler {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	names := ecs.Names{Partition: "aws", Region: "us-east-1", Account: "123456789012"}
	now := func() time.Time { return time.Unix(1_800_000_000, 0) }
	return &Handler{Data: &Data{Dir: dir, Names: names, Now: now}}
}

func (h *Handler) call(t *testing.T, target, body string) (status int, answer map[string]any) {
	t.Helper()
	r := httptest.NewRequest(http.MethodPost, "/", strings.NewReader(body))
	r.Header.Set("X-Amz-Target", target)
	if !h.Handles(r) {
		t.Fatalf("%s is not handled", target)
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	if err := json.Unmarshal(w.Body.Bytes(), &answer); err != nil {
		t.Fatalf("%s: %v", w.Body, err)
	}
	return w.Code, answer
}

func TestParametersByNameAndARN(t *testing.T) {
	h := newHandler(t, map[string]string{"parameters.json": `{"/prod/db":"pw","flat":"f"}`})
	status, answer := h.call(t, "AmazonSSM.GetParameters", `{"Names":["/prod/db","arn:aws:ssm:us-east-1:123456789012:parameter/prod/db","arn:aws:ssm:us-east-1:123456789012:parameter/flat","/nope"],"WithDecryption":true}`)
	const arn = "arn:aws:ssm:us-east-1:123456789012:parameter/"
	parameter := func(name, arn, value string) any {
		return map[string]any{"Name": name, "ARN": arn, "Value": value, "Type": "SecureString", "Version": 1.0}
	}
	want := map[string]any{
		"Parameters":        []any{parameter("/prod/db", arn+"prod/db", "pw"), parameter("/prod/db", arn+"prod/db", "pw"), parameter("flat", arn+"flat", "f")},
		"InvalidParameters": []any{"/nope"},
	}
	if diff := cmp.Diff(want, answer); diff != "" || status != 200 {
		t.Errorf("status %d: %s", status, diff)
	}
	if status, answer := h.call(t, "AmazonSSM.GetParameters", `{"Names":["1","2","3","4","5","6","7","8","9","10","11"]}`); status != 400 || answer["__type"] != "ValidationException" {
		t.Errorf("eleven names: %d %v", status, answer)
	}
	if diff := cmp.Diff(map[string]int{"GetParameters": 2}, h.Calls()); diff != "" {
		t.Error(diff)
	}
}

func TestSecrets(t *testing.T) {
	h := newHandler(t, map[string]string{"secrets.json": `{"prod/db": {"user": "bob", "n": 1.50}, "plain": "text"}`})
	cases := []struct{ body, text, err string }{
		{`{"SecretId":"prod/db"}`, `{"user":"bob","n":1.50}`, ""},
		{`{"SecretId":"` + secretARN + `"}`, `{"user":"bob","n":1.50}`, ""},
		{`{"SecretId":"` + secretARN + `-AbCdEf","VersionStage":"AWSCURRENT"}`, `{"user":"bob","n":1.50}`, ""},
		{`{"SecretId":"plain"}`, "text", ""},
		{`{"SecretId":"other"}`, "", "ResourceNotFoundException"},
		{`{"SecretId":"plain","VersionStage":"AWSPREVIOUS"}`, "", "ResourceNotFoundException"},
		{`{"SecretId":"plain","VersionId":"x"}`, "", "ResourceNotFoundException"},
		{`nonsense`, "", "SerializationException"},
	}
	for _, c := range cases {
		status, answer := h.call(t, "secretsmanager.GetSecretValue", c.body)
		if c.err != "" {
			if status != 400 || answer["__type"] != c.err {
				t.Errorf("%s: %d %v", c.body, status, answer)
			}
		} else if answer["SecretString"] != c.text {
			t.Errorf("%s: %v", c.body, answer)
		}
	}
}

func TestVersionsOfParameters(t *testing.T) {
	h := newHandler(t, map[string]string{"parameters.json": `{"/p": {"$versions": [{"value":"one","labels":["stable","old"]},{"value":"two"},{"value":"three","labels":["next"]}]}, "/a:b": "colon"}`})
	const arn = "arn:aws:ssm:us-east-1:123456789012:parameter/p"
	_, answer := h.call(t, "AmazonSSM.GetParameters", `{"Names":["/p","/p:2","/p:stable","`+arn+`","`+arn+`:next","/p:4","/p:0","/p:nope","/q:1","/a:b"]}`)
	var got []string
	for _, p := range answer["Parameters"].([]any) {
		m := p.(map[string]any)
		got = append(got, fmt.Sprint(m["Name"], " ", m["Selector"], " ", m["Version"], " ", m["Value"]))
	}
	want := []string{"/p <nil> 3 three", "/p :2 2 two", "/p :stable 1 one", "/p <nil> 3 three", "/p :next 3 three", "/a:b <nil> 1 colon"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]any{"/p:4", "/p:0", "/p:nope", "/q:1"}, answer["InvalidParameters"]); diff != "" {
		t.Error(diff)
	}
}

func TestVersionsOfSecrets(t *testing.T) {
	h := newHandler(t, map[string]string{"secrets.json": `{
		"staged": {"$versions": [{"id":"v1","stages":["AWSPREVIOUS","stable"],"value":{"user":"old"}},{"id":"v2","stages":["AWSCURRENT"],"value":{"user":"new"}}]},
		"plain": {"$versions": [{"value":"1"},{"value":"2"},{"value":"3"}]},
		"odd": {"$versions": "a member", "and": "another"}}`})
	const first = "00000000-0000-4000-8000-000000000001"
	for _, c := range []struct{ body, text, err string }{
		{`{"SecretId":"staged"}`, `{"user":"new"}`, ""},
		{`{"SecretId":"staged","VersionStage":"AWSPREVIOUS"}`, `{"user":"old"}`, ""},
		{`{"SecretId":"staged","VersionStage":"stable"}`, `{"user":"old"}`, ""},
		{`{"SecretId":"staged","VersionId":"v1"}`, `{"user":"old"}`, ""},
		{`{"SecretId":"staged","VersionId":"v1","VersionStage":"stable"}`, `{"user":"old"}`, ""},
		{`{"SecretId":"staged","VersionId":"v1","VersionStage":"AWSCURRENT"}`, "", "InvalidRequestException"},
		{`{"SecretId":"staged","VersionId":"v3"}`, "", "ResourceNotFoundException"},
		{`{"SecretId":"staged","VersionStage":"nope"}`, "", "ResourceNotFoundException"},
		{`{"SecretId":"plain"}`, "3", ""},
		{`{"SecretId":"plain","VersionStage":"AWSPREVIOUS"}`, "2", ""},
		{`{"SecretId":"plain","VersionId":"` + first + `"}`, "1", ""},
		{`{"SecretId":"odd"}`, `{"$versions":"a member","and":"another"}`, ""},
	} {
		status, answer := h.call(t, "secretsmanager.GetSecretValue", c.body)
		if c.err != "" && (status != 400 || answer["__type"] != c.err) || c.err == "" && answer["SecretString"] != c.text {
			t.Errorf("%s: %d %v", c.body, status, answer)
		}
	}
}

func TestRegistryTokens(t *testing.T) {
	h := newHandler(t, map[string]string{"registry.json": `{"address":"127.0.0.1:5000","username":"u","password":"p"}`})
	_, answer := h.call(t, "AmazonEC2ContainerRegistry_V20150921.GetAuthorizationToken", `{"registryIds":["1"]}`)
	want := map[string]any{"authorizationData": []any{map[string]any{"authorizationToken": "dTpw", "proxyEndpoint": "http://127.0.0.1:5000", "expiresAt": float64(1_800_000_000 + 12*3600)}}}
	if diff := cmp.Diff(want, answer); diff != "" {
		t.Error(diff)
	}
	status, answer := newHandler(t, nil).call(t, "AmazonEC2ContainerRegistry_V20150921.GetAuthorizationToken", `{}`)
	if status != 500 || !strings.Contains(answer["message"].(string), "registry.json") {
		t.Errorf("without a registry: %d %v", status, answer)
	}
}

func TestObjects(t *testing.T) {
	h := newHandler(t, map[string]string{"s3/bucket/config/a.env": "A=1\n", "s3/bucket/b": "b", "secrets.json": `{"s":"secret"}`})
	cases := []struct {
		method, path string
		signed       bool
		status       int
		body         string
	}{
		{"HEAD", "/bucket", true, 200, ""},
		{"HEAD", "/nope", true, 404, ""},
		{"HEAD", "/s3/bucket", false, 200, ""},
		{"GET", "/bucket/config/a.env", true, 200, "A=1\n"},
		{"GET", "/s3/bucket/config/a.env", false, 200, "A=1\n"},
		{"HEAD", "/bucket/b", true, 200, ""},
		{"GET", "/bucket/config/../b", true, 200, "b"},
		{"GET", "/bucket/nope", true, 404, "NoSuchKey"},
		{"GET", "/bucket/config", true, 404, "NoSuchKey"},
		{"GET", "/bucket/../../secrets.json", true, 404, "NoSuchKey"},
		{"GET", "/../secrets.json", true, 404, "NoSuchBucket"},
		{"GET", "/nope/b", true, 404, "NoSuchBucket"},
		{"GET", "/bucket", true, 501, "NotImplemented"},
	}
	for _, c := range cases {
		r := httptest.NewRequest(c.method, c.path, nil)
		if c.signed {
			r.Header.Set("Authorization", "AWS4-HMAC-SHA256 Credential=AK/20260101/us-east-1/s3/aws4_request, SignedHeaders=host, Signature=0")
		}
		if !h.Handles(r) {
			t.Fatalf("%s is not handled", c.path)
		}
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		if w.Code != c.status || !strings.Contains(w.Body.String(), c.body) || c.body == "" && w.Body.Len() > 0 {
			t.Errorf("%s %s: %d %q", c.method, c.path, w.Code, w.Body)
		}
		if c.path == "/bucket" && w.Header().Get("X-Amz-Bucket-Region") != "us-east-1" {
			t.Error("the bucket's region is missing")
		}
	}
	for _, r := range []*http.Request{httptest.NewRequest("GET", "/healthz", nil), httptest.NewRequest("POST", "/", nil)} {
		if h.Handles(r) {
			t.Errorf("%s %s is not S3's", r.Method, r.URL)
		}
	}
}

// What is wrong with a file is told at the start, and to callers when it happens later.
func TestFilesThatCannotBeRead(t *testing.T) {
	for _, c := range [][2]string{
		{"parameters.json", `{"a":1}`}, {"parameters.json", `{"a":{"$versions":[]}}`}, {"parameters.json", `{"a":{"$versions":[{"labels":["x"]}]}}`},
		{"parameters.json", `{"a":{"$versions":[{"value":"x","lables":["x"]}]}}`}, {"parameters.json", `{"a":null}`},
		{"secrets.json", `[]`}, {"secrets.json", `{"a":{"$versions":[{"id":"x"}]}}`}, {"registry.json", `{"address":"http://x"}`},
	} {
		name, text := c[0], c[1]
		h := newHandler(t, map[string]string{name: text})
		if err := h.Check(); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := (&Data{Dir: filepath.Join(t.TempDir(), "nope")}).Check(); err == nil {
		t.Error("no directory, no error")
	}
	h := newHandler(t, map[string]string{"parameters.json": `{`})
	if status, answer := h.call(t, "AmazonSSM.GetParameters", `{"Names":["a"]}`); status != 500 || answer["__type"] != "InternalFailure" {
		t.Errorf("%d %v", status, answer)
	}
}

func TestFaultsReachTheseServices(t *testing.T) {
	h := newHandler(t, map[string]string{"parameters.json": `{"a":"b"}`})
	h.Faults = &faults.Set{}
	if _, err := h.Faults.Add(faults.Rule{Operation: "GetParameters", Action: "throttle", Times: 1}); err != nil {
		t.Fatal(err)
	}
	if status, answer := h.call(t, "AmazonSSM.GetParameters", `{"Names":["a"]}`); status != 400 || answer["__type"] != "ThrottlingException" {
		t.Errorf("%d %v", status, answer)
	}
	if status, _ := h.call(t, "AmazonSSM.GetParameters", `{"Names":["a"]}`); status != 200 {
		t.Errorf("%d after the fault", status)
	}
}

package awsapi

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/aws/amazon-ecs-agent/agent/awsclient"
)

var keys = awsclient.StaticCredentials{AccessKeyID: "AKEXEC", SecretAccessKey: "secret", SessionToken: "token"}

// sent is what went over the wire.
type sent struct {
	Method, URL, Target, Body, Region string
}

// fakeService answers every request and keeps it.
type fakeService struct {
	requests []sent
	answer   func(n int, r *http.Request) *http.Response
}

func (f *fakeService) RoundTrip(r *http.Request) (*http.Response, error) {
	body, _ := io.ReadAll(r.Body)
	scope := strings.Split(r.Header.Get("Authorization"), "/")
	if len(scope) < 5 || !strings.Contains(scope[0], "Credential=AKEXEC") {
		return nil, errors.New("not signed: " + r.Header.Get("Authorization"))
	}
	f.requests = append(f.requests, sent{r.Method, r.URL.Scheme + "://" + r.URL.Host + r.URL.EscapedPath(), r.Header.Get("X-Amz-Target"), string(body), scope[2] + "/" + scope[3]})
	return f.answer(len(f.requests), r), nil
}

func reply(status int, header map[string]string, body string) *http.Response {
	h := http.Header{}
	for k, v := range header {
		h.Set(k, v)
	}
	return &http.Response{StatusCode: status, Header: h, Body: io.NopCloser(strings.NewReader(body))}
}

func always(status int, header map[string]string, body string) func(int, *http.Request) *http.Response {
	return func(int, *http.Request) *http.Response { return reply(status, header, body) }
}

func calls(f *fakeService, vars map[string]string) *Calls {
	return &Calls{HTTP: &http.Client{Transport: f}, Environment: awsclient.Environment{
		Getenv:   func(name string) string { return vars[name] },
		ReadFile: func(string) ([]byte, error) { return nil, nil },
		HomeDir:  "/nowhere",
	}}
}

func check(t *testing.T, what string, got, want any) {
	t.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", what, diff)
	}
}

func TestParameters(t *testing.T) {
	f := &fakeService{answer: always(200, nil, `{"Parameters":[{"Name":"/a","ARN":"arn:a","Value":"v","Type":"SecureString","Version":3,"Selector":":3"}],"InvalidParameters":["/b"]}`)}
	found, invalid, err := calls(f, nil).Parameters(t.Context(), "eu-west-1", keys, []string{"/a:3", "/b"})
	if err != nil {
		t.Fatal(err)
	}
	check(t, "found", found, []Parameter{{Name: "/a", ARN: "arn:a", Value: "v", Selector: ":3"}})
	check(t, "invalid", invalid, []string{"/b"})
	check(t, "requests", f.requests, []sent{{"POST", "https://ssm.eu-west-1.amazonaws.com/", "AmazonSSM.GetParameters", `{"Names":["/a:3","/b"],"WithDecryption":true}`, "eu-west-1/ssm"}})
}

func TestSecret(t *testing.T) {
	f := &fakeService{answer: always(200, nil, `{"ARN":"x","SecretString":"s3cr3t","VersionStages":["AWSCURRENT"]}`)}
	c := calls(f, nil)
	c.DualStack = true
	text, err := c.Secret(t.Context(), "us-west-2", keys, SecretID{ID: "arn:x", VersionStage: "AWSPREVIOUS"})
	if err != nil || text == nil || *text != "s3cr3t" {
		t.Fatal(text, err)
	}
	check(t, "requests", f.requests, []sent{{"POST", "https://secretsmanager.us-west-2.api.aws/", "secretsmanager.GetSecretValue", `{"SecretId":"arn:x","VersionStage":"AWSPREVIOUS"}`, "us-west-2/secretsmanager"}})

	f.answer = always(200, nil, `{"SecretBinary":"AAAA"}`)
	if text, err = c.Secret(t.Context(), "us-west-2", keys, SecretID{ID: "x", VersionID: "v"}); err != nil || text != nil {
		t.Errorf("a binary secret: %v, %v", text, err)
	}
	check(t, "body", f.requests[1].Body, `{"SecretId":"x","VersionId":"v"}`)
}

func TestRegistryTokens(t *testing.T) {
	const answer = `{"authorizationData":[{"authorizationToken":"dXNlcjpwYXNz","proxyEndpoint":"https://r","expiresAt":1893456000.5}]}`
	cases := []struct {
		name     string
		registry Registry
		vars     map[string]string
		dual     bool
		url      string
	}{
		{"of a region", Registry{ID: "123456789012", Region: "us-east-1"}, nil, false, "https://api.ecr.us-east-1.amazonaws.com/"},
		{"dual stack", Registry{ID: "123456789012", Region: "us-east-1"}, nil, true, "https://ecr.us-east-1.api.aws/"},
		{"FIPS", Registry{ID: "123456789012", Region: "us-east-1"}, map[string]string{"AWS_USE_FIPS_ENDPOINT": "true"}, false, "https://ecr-fips.us-east-1.amazonaws.com/"},
		{"China", Registry{ID: "123456789012", Region: "cn-north-1"}, nil, false, "https://api.ecr.cn-north-1.amazonaws.com.cn/"},
		{"with an endpoint", Registry{ID: "123456789012", Region: "eu-west-1", Endpoint: "my.endpoint"}, nil, true, "https://my.endpoint/"},
		{"with the endpoint of FIPS mode in FIPS mode", Registry{ID: "123456789012", Region: "us-west-2", Endpoint: "https://ecr-fips.us-west-2.amazonaws.com"},
			map[string]string{"AWS_USE_FIPS_ENDPOINT": "true"}, false, "https://ecr-fips.us-west-2.amazonaws.com/"},
		{"with an endpoint of the environment", Registry{ID: "123456789012", Region: "us-west-2"}, map[string]string{"AWS_ENDPOINT_URL_ECR": "http://127.0.0.1:7080"}, false, "http://127.0.0.1:7080/"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			f := &fakeService{answer: always(200, nil, answer)}
			api := calls(f, c.vars)
			api.DualStack = c.dual
			tokens, err := api.RegistryTokens(t.Context(), c.registry, keys)
			if err != nil {
				t.Fatal(err)
			}
			check(t, "tokens", tokens, []RegistryToken{{Token: "dXNlcjpwYXNz", ProxyEndpoint: "https://r", Expires: time.UnixMilli(1893456000500)}})
			check(t, "requests", f.requests, []sent{{"POST", c.url, "AmazonEC2ContainerRegistry_V20150921.GetAuthorizationToken", `{"registryIds":["123456789012"]}`, c.registry.Region + "/ecr"}})
		})
	}
}

func TestParseObjectARN(t *testing.T) {
	for arn, want := range map[string][2]string{
		"arn:aws:s3:::bucket/app.env":               {"bucket", "app.env"},
		"arn:aws-cn:s3:::bucket/a/b c.env":          {"bucket", "a/b c.env"},
		" see arn:aws-us-gov:s3:::bucket/../x ":     {"bucket", "../x "},
		"arn:aws:s3:::bucket":                       {},
		"arn:aws:s3:::bucket/":                      {},
		"arn:aws:s3:us-east-1:123456789012:bucket/": {},
		"s3://bucket/key":                           {},
		"":                                          {},
	} {
		bucket, key, err := ParseObjectARN(arn)
		check(t, arn, [2]string{bucket, key}, want)
		if (want == [2]string{}) != (err != nil) || err != nil && err.Error() != "invalid s3 arn: "+arn {
			t.Errorf("%q: %v", arn, err)
		}
	}
}

func TestObject(t *testing.T) {
	type request = [2]string // method and URL
	cases := []struct {
		name           string
		bucket, key    string
		vars           map[string]string
		dual, fipsHost bool
		want           []request
	}{
		{"name in the host", "bucket", "dir/app v1+é.env", nil, false, false, []request{
			{"HEAD", "https://s3.us-east-1.amazonaws.com/bucket"}, {"GET", "https://bucket.s3.eu-west-1.amazonaws.com/dir/app%20v1%2B%C3%A9.env"}}},
		{"name with dots", "my.bucket", "k", nil, false, false, []request{
			{"HEAD", "https://s3.us-east-1.amazonaws.com/my.bucket"}, {"GET", "https://s3.eu-west-1.amazonaws.com/my.bucket/k"}}},
		{"dual stack", "bucket", "k", nil, true, false, []request{
			{"HEAD", "https://s3.dualstack.us-east-1.amazonaws.com/bucket"}, {"GET", "https://bucket.s3.dualstack.eu-west-1.amazonaws.com/k"}}},
		{"host in FIPS mode: where there is an endpoint", "bucket", "k", nil, false, true, []request{
			{"HEAD", "https://bucket.s3-fips.us-east-1.amazonaws.com/"}, {"GET", "https://bucket.s3.eu-west-1.amazonaws.com/k"}}},
		{"address as endpoint", "bucket", "k", map[string]string{"AWS_ENDPOINT_URL_S3": "http://127.0.0.1:7080/s3"}, false, false, []request{
			{"HEAD", "http://127.0.0.1:7080/s3/bucket"}, {"GET", "http://127.0.0.1:7080/s3/bucket/k"}}},
		{"path that leads upwards", "bucket", "../../k", nil, false, false, []request{
			{"HEAD", "https://s3.us-east-1.amazonaws.com/bucket"}, {"GET", "https://bucket.s3.eu-west-1.amazonaws.com/../../k"}}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			f := &fakeService{answer: func(_ int, r *http.Request) *http.Response {
				if r.Method == http.MethodHead {
					return reply(403, map[string]string{"X-Amz-Bucket-Region": "eu-west-1"}, "")
				}
				return reply(200, nil, "A=1")
			}}
			api := calls(f, c.vars)
			api.DualStack, api.FIPSHost = c.dual, c.fipsHost
			region, err := api.BucketRegion(t.Context(), "us-east-1", keys, c.bucket)
			if err != nil || region != "eu-west-1" {
				t.Fatal(region, err)
			}
			var text []byte
			if err := api.Object(t.Context(), region, keys, c.bucket, c.key, func(r io.Reader) (err error) { text, err = io.ReadAll(r); return err }); err != nil {
				t.Fatal(err)
			}
			check(t, "object", string(text), "A=1")
			var got []request
			for _, r := range f.requests {
				got = append(got, request{r.Method, r.URL})
			}
			check(t, "requests", got, c.want)
			check(t, "scopes", f.requests[0].Region+" "+f.requests[1].Region, "us-east-1/s3 eu-west-1/s3")
		})
	}
}

// Errors are worded as users find them in the SDK's documentation.
func TestErrorTexts(t *testing.T) {
	awsJSON := func(code, message string) string {
		b, _ := json.Marshal(map[string]string{"__type": "com.amazonaws.x#" + code, "message": message})
		return string(b)
	}
	id := map[string]string{"X-Amzn-Requestid": "req-1"}
	parameters := func(c *Calls, t *testing.T) error {
		_, _, err := c.Parameters(t.Context(), "us-west-2", keys, []string{"/a"})
		return err
	}
	secret := func(c *Calls, t *testing.T) error {
		_, err := c.Secret(t.Context(), "us-west-2", keys, SecretID{ID: "x"})
		return err
	}
	object := func(c *Calls, t *testing.T) error {
		return c.Object(t.Context(), "us-west-2", keys, "bucket", "k", func(io.Reader) error { return nil })
	}
	bucket := func(c *Calls, t *testing.T) error {
		_, err := c.BucketRegion(t.Context(), "us-west-2", keys, "bucket")
		return err
	}
	cases := []struct {
		name     string
		call     func(*Calls, *testing.T) error
		answer   func(int, *http.Request) *http.Response
		attempts int
		want     string
	}{
		{"access denied", parameters, always(400, id, awsJSON("AccessDeniedException", "User is not authorized")), 1,
			"operation error SSM: GetParameters, https response error StatusCode: 400, RequestID: req-1, api error AccessDeniedException: User is not authorized"},
		{"throttled", parameters, always(400, id, awsJSON("ThrottlingException", "Rate exceeded")), 3,
			"operation error SSM: GetParameters, exceeded maximum number of attempts, 3, https response error StatusCode: 400, RequestID: req-1, api error ThrottlingException: Rate exceeded"},
		{"of the operation's own", secret, always(400, id, awsJSON("ResourceNotFoundException", "Secrets Manager can't find the specified secret.")), 1,
			"operation error Secrets Manager: GetSecretValue, https response error StatusCode: 400, RequestID: req-1, ResourceNotFoundException: Secrets Manager can't find the specified secret."},
		{"unreadable", secret, always(500, nil, "<html>"), 3,
			"operation error Secrets Manager: GetSecretValue, exceeded maximum number of attempts, 3, https response error StatusCode: 500, RequestID: , api error UnknownError: UnknownError"},
		{"malformed answer", secret, always(200, nil, "<html>"), 1,
			"operation error Secrets Manager: GetSecretValue, GetSecretValue: decode answer: invalid character '<' looking for beginning of value"},
		{"no such object", object, always(404, nil, `<Error><Code>NoSuchKey</Code><Message>The specified key does not exist.</Message><RequestId>r</RequestId></Error>`), 1,
			"operation error S3: GetObject, https response error StatusCode: 404, RequestID: r, HostID: , NoSuchKey: The specified key does not exist."},
		{"no such bucket", bucket, always(404, nil, ""), 1,
			"operation error S3: HeadBucket, https response error StatusCode: 404, RequestID: , HostID: , api error NotFound: Not Found"},
		{"no region in the answer", bucket, always(200, nil, ""), 1,
			"operation error S3: HeadBucket, the answer does not tell the region of the bucket"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := &fakeService{answer: c.answer}
				err := c.call(calls(f, nil), t)
				if err == nil || err.Error() != c.want || NoClient(err) {
					t.Errorf("got  %v\nwant %s", err, c.want)
				}
				if len(f.requests) != c.attempts {
					t.Errorf("%d attempts, want %d", len(f.requests), c.attempts)
				}
			})
		})
	}
}

func TestConnectionErrors(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := calls(nil, nil)
		c.HTTP = &http.Client{Transport: refusing{}}
		_, err := c.Secret(t.Context(), "us-west-2", keys, SecretID{ID: "x"})
		want := `operation error Secrets Manager: GetSecretValue, exceeded maximum number of attempts, 3, https response error StatusCode: 0, RequestID: , request send failed, Post "https://secretsmanager.us-west-2.amazonaws.com/": connection refused`
		if err == nil || err.Error() != want {
			t.Errorf("got  %v\nwant %s", err, want)
		}
	})
}

// A service that never answers costs three attempts of five seconds and the pauses between them, no more.
func TestSilenceEndsInTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := calls(nil, nil)
		c.HTTP = &http.Client{Transport: silent{}}
		start := time.Now()
		_, _, err := c.Parameters(t.Context(), "us-west-2", keys, []string{"/a"})
		want := `operation error SSM: GetParameters, exceeded maximum number of attempts, 3, https response error StatusCode: 0, RequestID: , request send failed, ` +
			`Post "https://ssm.us-west-2.amazonaws.com/": context deadline exceeded (Client.Timeout exceeded while awaiting headers)`
		if err == nil || err.Error() != want {
			t.Errorf("got  %v\nwant %s", err, want)
		}
		if took := time.Since(start); took < 3*attemptLimit || took > 3*attemptLimit+6*time.Second {
			t.Errorf("it took %v", took)
		}
	})
}

type silent struct{}

func (silent) RoundTrip(r *http.Request) (*http.Response, error) {
	<-r.Context().Done()
	return nil, r.Context().Err()
}

type refusing struct{}

func (refusing) RoundTrip(*http.Request) (*http.Response, error) {
	return nil, errors.New("connection refused")
}

func TestWithoutARegionNothingIsSent(t *testing.T) {
	f := &fakeService{}
	c := calls(f, nil)
	_, _, noParameters := c.Parameters(t.Context(), "", keys, nil)
	_, noRegion := c.BucketRegion(t.Context(), "", keys, "b")
	for _, err := range []error{noParameters, noRegion} {
		if !NoClient(err) || len(f.requests) > 0 {
			t.Errorf("%v, requests %v", err, f.requests)
		}
	}
}

func TestABodyThatCannotBeTakenIsTheTakersError(t *testing.T) {
	full := errors.New("disk full")
	c := calls(&fakeService{answer: always(200, nil, "x")}, nil)
	if err := c.Object(t.Context(), "us-west-2", keys, "bucket", "k", func(io.Reader) error { return full }); err != full {
		t.Errorf("%v", err)
	}
}

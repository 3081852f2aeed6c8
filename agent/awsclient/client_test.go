package awsclient

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

var testKeys = StaticCredentials{AccessKeyID: "AKID", SecretAccessKey: "secret", SessionToken: "token"}

func testClient(endpoint string, rt http.RoundTripper) *JSONClient {
	j := &JSONClient{TargetPrefix: "Service_1"}
	j.SigningName, j.Region, j.Endpoint, j.Credentials, j.UserAgent = "ecs", "us-west-2", endpoint, testKeys, "agent/1"
	j.HTTP = &http.Client{Transport: rt}
	return j
}

var (
	noEnv    = func(string) string { return "" }
	standard = StandardRetries(noEnv)
)

func TestJSONCallOnTheWire(t *testing.T) {
	var got *http.Request
	var body string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		got, body = r, string(b)
		_, _ = io.WriteString(w, `{"answer":42}`)
	}))
	defer server.Close()

	j := testClient(server.URL, server.Client().Transport)
	var out struct{ Answer int }
	err := j.Call(t.Context(), Call{Operation: "Ask", In: map[string]any{"q": "a<b&c"}, Out: &out, Retries: standard})
	if err != nil || out.Answer != 42 {
		t.Fatalf("got %v, %v", out, err)
	}
	if got.Method != "POST" || got.URL.Path != "/" || body != `{"q":"a<b&c"}` {
		t.Errorf("%s %s %s", got.Method, got.URL, body)
	}
	for k, want := range map[string]string{
		"Content-Type":         "application/x-amz-json-1.1",
		"X-Amz-Target":         "Service_1.Ask",
		"X-Amz-Security-Token": "token",
		"User-Agent":           "agent/1",
	} {
		if got.Header.Get(k) != want {
			t.Errorf("%s: %q, want %q", k, got.Header.Get(k), want)
		}
	}
	auth := got.Header.Get("Authorization")
	if !strings.Contains(auth, "Credential=AKID/") || !strings.Contains(auth, "/us-west-2/ecs/aws4_request") || strings.Contains(auth, "user-agent") {
		t.Errorf("Authorization: %s", auth)
	}
}

func TestCallCredentialsAndUserAgentReplaceThoseOfTheClient(t *testing.T) {
	var got http.Header
	j := testClient("http://ecs.test", roundTripFunc(func(r *http.Request) (*http.Response, error) {
		got = r.Header
		return reply(200, nil, `{}`), nil
	}))
	other := StaticCredentials{AccessKeyID: "AKROLE", SecretAccessKey: "s"}
	if err := j.Call(t.Context(), Call{Operation: "Ask", Retries: standard, Credentials: other, UserAgent: "agent/1 container/web"}); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(got.Get("Authorization"), "Credential=AKROLE/") || got.Get("User-Agent") != "agent/1 container/web" || got.Get("X-Amz-Security-Token") != "" {
		t.Errorf("headers %v", got)
	}
}

func TestErrorCodes(t *testing.T) {
	cases := []struct {
		name, header, body, wantCode, wantMessage string
	}{
		{"type with namespace", "", `{"__type":"com.amazonaws.ecs#ClientException","message":"m"}`, "ClientException", "m"},
		{"bare type", "", `{"__type":"ClientException","Message":"m"}`, "ClientException", "m"},
		{"header first", "ServerException:http://internal/", `{"__type":"ClientException"}`, "ServerException", ""},
		{"code last", "", `{"code":"AccessDeniedException","message":"m"}`, "AccessDeniedException", "m"},
		{"type before code", "", `{"code":"A","__type":"B"}`, "B", ""},
		{"numeric code", "", `{"code":7,"message":"m"}`, "", "m"},
		{"not JSON", "", `<html>`, "", ""},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			j := testClient("http://ecs.test", roundTripFunc(func(*http.Request) (*http.Response, error) {
				h := map[string]string{"X-Amzn-RequestId": "r-1"}
				if c.header != "" {
					h["X-Amzn-ErrorType"] = c.header
				}
				return reply(400, h, c.body), nil
			}))
			err := j.Call(t.Context(), Call{Operation: "Ask", Retries: standard})
			var api *APIError
			if !errors.As(err, &api) {
				t.Fatalf("got %v", err)
			}
			if api.Code != c.wantCode || api.Message != c.wantMessage || api.Status != 400 || api.RequestID != "r-1" || api.Operation != "Ask" {
				t.Errorf("got %+v", api)
			}
			if ErrorCode(err) != c.wantCode {
				t.Errorf("ErrorCode %q", ErrorCode(err))
			}
		})
	}
}

// failingTransport fails each attempt the same way and counts.
type failingTransport struct {
	attempts int
	times    []time.Time
	fail     func(*http.Request) (*http.Response, error)
}

func (f *failingTransport) RoundTrip(r *http.Request) (*http.Response, error) {
	f.attempts++
	f.times = append(f.times, time.Now())
	return f.fail(r)
}

func TestWhatIsRetried(t *testing.T) {
	code := func(status int, code string) func(*http.Request) (*http.Response, error) {
		return func(*http.Request) (*http.Response, error) {
			return reply(status, nil, `{"__type":"x#`+code+`","message":"m"}`), nil
		}
	}
	broken := func(err error) func(*http.Request) (*http.Response, error) {
		return func(*http.Request) (*http.Response, error) { return nil, err }
	}
	dial := func(err error) error { return &net.OpError{Op: "dial", Net: "tcp", Err: err} }
	cases := []struct {
		name  string
		fail  func(*http.Request) (*http.Response, error)
		again bool
	}{
		{"500", code(500, "ServerException"), true},
		{"502 without a body", func(*http.Request) (*http.Response, error) { return reply(502, nil, ""), nil }, true},
		{"503", code(503, "X"), true},
		{"504", code(504, "X"), true},
		{"501", code(501, "X"), false},
		{"ServerException with 400", code(400, "ServerException"), false},
		{"ClientException", code(400, "ClientException"), false},
		{"InvalidParameterException", code(400, "InvalidParameterException"), false},
		{"AccessDeniedException", code(400, "AccessDeniedException"), false},
		{"RequestTimeout", code(400, "RequestTimeout"), true},
		{"RequestTimeoutException", code(400, "RequestTimeoutException"), true},
		{"RequestExpired", code(400, "RequestExpired"), true},
		{"InvalidSignatureException with the right clock", code(400, "InvalidSignatureException"), false},
		{"connection refused", broken(dial(syscall.ECONNREFUSED)), true},
		{"connection reset", broken(&net.OpError{Op: "read", Err: syscall.ECONNRESET}), true},
		{"closed before the answer", broken(io.EOF), true},
		{"name server trouble", broken(dial(&net.DNSError{Err: "server misbehaving", IsTemporary: true})), true},
		{"no such host", broken(dial(&net.DNSError{Err: "no such host", IsNotFound: true})), false},
		{"answer cut off", func(*http.Request) (*http.Response, error) {
			r := reply(200, nil, "")
			r.Body = io.NopCloser(io.MultiReader(strings.NewReader("{"), errReader{}))
			return r, nil
		}, true},
	}
	for _, c := range throttleCodes {
		cases = append(cases, struct {
			name  string
			fail  func(*http.Request) (*http.Response, error)
			again bool
		}{c, code(400, c), true})
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				rt := &failingTransport{fail: c.fail}
				err := testClient("http://ecs.test", rt).Call(t.Context(), Call{Operation: "Ask", Retries: standard})
				if err == nil {
					t.Fatal("want an error")
				}
				want := 1
				if c.again {
					want = 3
				}
				if rt.attempts != want {
					t.Errorf("%d attempts, want %d (%v)", rt.attempts, want, err)
				}
			})
		})
	}
}

type errReader struct{}

func (errReader) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }

func TestStandardDelays(t *testing.T) {
	longest := map[int]time.Duration{}
	for range 2000 {
		for n, bound := range map[int]time.Duration{1: 2 * time.Second, 2: 4 * time.Second, 3: 8 * time.Second, 40: standardMaxDelay + 1} {
			d := standardDelay(n)
			if d < 0 || d >= bound {
				t.Fatalf("delay after attempt %d: %v", n, d)
			}
			longest[n] = max(longest[n], d)
		}
	}
	if longest[1] < time.Second || longest[2] < 2*time.Second || longest[40] != standardMaxDelay {
		t.Errorf("delays do not use their range: %v", longest)
	}
}

func TestMaxAttemptsVariableLowersOnly(t *testing.T) {
	for value, want := range map[string]int{"": 3, "1": 1, "2": 2, "10": 3, "0": 3, "-1": 3, "x": 3} {
		if got := StandardRetries(func(string) string { return value }).MaxAttempts; got != want {
			t.Errorf("AWS_MAX_ATTEMPTS=%q: %d attempts, want %d", value, got, want)
		}
	}
}

func TestAttemptTimesOutAndIsRepeated(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		rt := &failingTransport{}
		rt.fail = func(r *http.Request) (*http.Response, error) {
			if rt.attempts < 3 {
				<-r.Context().Done()
				return nil, r.Context().Err()
			}
			return reply(200, nil, `{}`), nil
		}
		fixed := Retries{MaxAttempts: 3, Delay: func(int) time.Duration { return time.Second }}
		start := time.Now()
		if err := testClient("http://ecs.test", rt).Call(t.Context(), Call{Operation: "Ask", Retries: fixed}); err != nil {
			t.Fatal(err)
		}
		if took := time.Since(start); took != 2*(42*time.Second)+2*time.Second {
			t.Errorf("took %v", took)
		}
	})
}

func TestCancelledCallEndsAtOnceAndKeepsTheLastError(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		rt := &failingTransport{fail: func(*http.Request) (*http.Response, error) {
			return reply(500, nil, `{"__type":"ServerException"}`), nil
		}}
		slow := Retries{MaxAttempts: 3, Delay: func(int) time.Duration { return time.Hour }}
		done := make(chan error)
		go func() { done <- testClient("http://ecs.test", rt).Call(ctx, Call{Operation: "Ask", Retries: slow}) }()
		synctest.Wait()
		cancel()
		err := <-done
		if !errors.Is(err, context.Canceled) || ErrorCode(err) != "ServerException" || strings.Contains(err.Error(), "\n") {
			t.Errorf("got %v", err)
		}
		if rt.attempts != 1 {
			t.Errorf("%d attempts", rt.attempts)
		}
	})
}

func TestClockIsCorrected(t *testing.T) {
	for _, code := range []string{"RequestTimeTooSkewed", "InvalidSignatureException"} {
		t.Run(code, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				theirs := time.Now().Add(3 * time.Hour)
				rt := &failingTransport{fail: func(r *http.Request) (*http.Response, error) {
					signed, err := time.Parse("20060102T150405Z", r.Header.Get("X-Amz-Date"))
					if err != nil {
						return nil, err
					}
					if theirs.Sub(signed).Abs() > time.Minute {
						return reply(403, map[string]string{"Date": theirs.UTC().Format(http.TimeFormat)}, `{"__type":"`+code+`"}`), nil
					}
					return reply(200, nil, `{}`), nil
				}}
				j := testClient("http://ecs.test", rt)
				for range 2 {
					if err := j.Call(t.Context(), Call{Operation: "Ask", Retries: standard}); err != nil {
						t.Fatal(err)
					}
				}
				if rt.attempts != 3 {
					t.Errorf("%d attempts, want two for the first call and one for the second", rt.attempts)
				}
			})
		})
	}
}

func TestCredentialFailureIsNotSent(t *testing.T) {
	rt := &failingTransport{}
	j := testClient("http://ecs.test", rt)
	j.Credentials = newCache(chain{})
	err := j.Call(t.Context(), Call{Operation: "Ask", Retries: standard})
	if err == nil || rt.attempts != 0 || !strings.Contains(err.Error(), "Ask: get credentials: no valid providers in chain") {
		t.Errorf("got %v after %d attempts", err, rt.attempts)
	}
}

func TestDescribeInstanceTags(t *testing.T) {
	var got *http.Request
	var form string
	answers := []func(http.ResponseWriter){
		func(w http.ResponseWriter) {
			w.WriteHeader(503)
			_, _ = io.WriteString(w, `<Response><Errors><Error><Code>Unavailable</Code><Message>m</Message></Error></Errors><RequestID>r</RequestID></Response>`)
		},
		func(w http.ResponseWriter) {
			_, _ = io.WriteString(w, `<?xml version="1.0"?><DescribeTagsResponse xmlns="http://ec2.amazonaws.com/doc/2016-11-15/"><tagSet>
<item><resourceId>i-1</resourceId><resourceType>instance</resourceType><key>Name</key><value>web &amp; db</value></item>
<item><key>empty</key><value/></item></tagSet></DescribeTagsResponse>`)
		},
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		got, form = r, string(b)
		answers[0](w)
		answers = answers[1:]
	}))
	defer server.Close()

	ec2, err := NewEC2(ClientOptions{
		Region: "us-west-2", Credentials: testKeys, HTTP: server.Client(),
		Environment: env(map[string]string{"AWS_ENDPOINT_URL_EC2": server.URL + "/ec2"}, nil),
	})
	if err != nil {
		t.Fatal(err)
	}
	ec2.retries.Delay = func(int) time.Duration { return 0 }
	tags, err := ec2.DescribeInstanceTags(t.Context(), "i-1")
	if err != nil {
		t.Fatal(err)
	}
	if len(tags) != 2 || tags["Name"] != "web & db" || tags["empty"] != "" {
		t.Errorf("tags %v", tags)
	}
	const want = "Action=DescribeTags&Filter.1.Name=resource-id&Filter.1.Value.1=i-1&Filter.2.Name=resource-type&Filter.2.Value.1=instance&MaxResults=50&Version=2016-11-15"
	if form != want || got.URL.Path != "/ec2/" || !strings.Contains(got.Header.Get("Authorization"), "/us-west-2/ec2/aws4_request") {
		t.Errorf("%s %s\n%s", got.URL, got.Header, form)
	}

	answers = []func(http.ResponseWriter){func(w http.ResponseWriter) {
		w.WriteHeader(403)
		_, _ = io.WriteString(w, `<Response><Errors><Error><Code>UnauthorizedOperation</Code><Message>no</Message></Error></Errors><RequestID>r-9</RequestID></Response>`)
	}}
	_, err = ec2.DescribeInstanceTags(t.Context(), "i-1")
	var api *APIError
	if !errors.As(err, &api) || api.Code != "UnauthorizedOperation" || api.RequestID != "r-9" || err.Error() != "DescribeTags: UnauthorizedOperation: no" {
		t.Errorf("got %v", err)
	}
}

func TestTLSConfig(t *testing.T) {
	c := TLSConfig(false)
	if c.MinVersion != tls.VersionTLS12 || c.InsecureSkipVerify || len(c.CipherSuites) != 10 || c.RootCAs != nil {
		t.Errorf("%+v", c)
	}
	if !TLSConfig(true).InsecureSkipVerify {
		t.Error("-k has no effect")
	}
}

func TestCipherSuitesOffered(t *testing.T) {
	server := httptest.NewUnstartedServer(http.NotFoundHandler())
	var offered []uint16
	var versions []uint16
	server.TLS = TLSConfig(false)
	server.TLS.GetConfigForClient = recordHello(&offered, &versions)
	server.StartTLS()
	defer server.Close()

	client := NewHTTPClient(true)
	defer client.CloseIdleConnections()
	resp, err := client.Get(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	var tls12 []uint16
	for _, id := range offered {
		if id>>8 != 0x13 { // TLS 1.3 suites are 0x13xx
			tls12 = append(tls12, id)
		}
	}
	want := slices.Clone(cipherSuites)
	slices.Sort(want)
	slices.Sort(tls12)
	if !slices.Equal(tls12, want) {
		t.Errorf("offered %x, want %x", tls12, want)
	}
	if slices.Min(versions) < 0x0303 {
		t.Errorf("offers TLS versions %x", versions)
	}
}

func TestCertificatesAreCheckedUnlessTurnedOff(t *testing.T) {
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, `{}`) }))
	server.Config.ErrorLog = discardLog
	defer server.Close()
	for _, insecure := range []bool{false, true} {
		client := NewHTTPClient(insecure)
		j := testClient(server.URL, client.Transport)
		start := time.Now()
		err := j.Call(t.Context(), Call{Operation: "Ask", Retries: Retries{MaxAttempts: 3, Delay: func(int) time.Duration { return time.Hour }}})
		if (err == nil) != insecure {
			t.Errorf("insecure=%v: %v after %v", insecure, err, time.Since(start))
		}
		client.CloseIdleConnections()
	}
}

func TestRedirectsAreNotFollowed(t *testing.T) {
	server := httptest.NewServer(http.RedirectHandler("http://127.0.0.1:1/elsewhere", http.StatusTemporaryRedirect))
	defer server.Close()
	client := NewHTTPClient(false)
	defer client.CloseIdleConnections()
	j := testClient(server.URL, nil)
	j.HTTP = client
	var api *APIError
	if err := j.Call(t.Context(), Call{Operation: "Ask", Retries: standard}); !errors.As(err, &api) || api.Status != 307 {
		t.Errorf("got %v", err)
	}
}

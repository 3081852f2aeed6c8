package awsclient

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func restClient(endpoint string, rt http.RoundTripper) *RESTClient {
	c := &RESTClient{}
	c.SigningName, c.Region, c.Endpoint, c.Credentials = "s3", "us-west-2", endpoint, testKeys
	c.HTTP = &http.Client{Transport: rt}
	return c
}

func TestRESTCallOnTheWire(t *testing.T) {
	var got *http.Request
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		got = r
		_, _ = io.WriteString(w, "content")
	}))
	defer server.Close()
	var text strings.Builder
	_, err := restClient(server.URL, server.Client().Transport).Call(t.Context(), RESTCall{
		Operation: "GetObject", Method: http.MethodGet, Path: "/bucket/a%20b/../%C3%A9%3F", Retries: standard,
		Body: func(r io.Reader) error { _, err := io.Copy(&text, r); return err },
	})
	if err != nil || text.String() != "content" {
		t.Fatalf("%q, %v", text.String(), err)
	}
	if got.Method != "GET" || got.RequestURI != "/bucket/a%20b/../%C3%A9%3F" {
		t.Errorf("%s %s", got.Method, got.RequestURI)
	}
	emptyHash := "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
	if auth := got.Header.Get("Authorization"); got.Header.Get("X-Amz-Content-Sha256") != emptyHash ||
		!strings.Contains(auth, "/us-west-2/s3/aws4_request") || !strings.Contains(auth, "x-amz-content-sha256") {
		t.Errorf("headers %v", got.Header)
	}
}

func TestRESTErrors(t *testing.T) {
	cases := []struct {
		name   string
		status int
		header map[string]string
		body   string
		want   APIError
	}{
		{"document", 404, nil, `<?xml version="1.0"?><Error><Code>NoSuchKey</Code><Message>no key</Message><RequestId>r</RequestId><HostId>h</HostId></Error>`,
			APIError{Operation: "Op", Code: "NoSuchKey", Message: "no key", Status: 404, RequestID: "r", HostID: "h"}},
		{"no body", 404, map[string]string{"X-Amz-Request-Id": "r"}, "", APIError{Operation: "Op", Code: "NotFound", Message: "Not Found", Status: 404, RequestID: "r"}},
		{"no body, refused", 403, nil, "", APIError{Operation: "Op", Code: "Forbidden", Message: "Forbidden", Status: 403}},
		{"another region", 301, nil, "", APIError{Operation: "Op", Code: "MovedPermanently", Message: "Moved Permanently", Status: 301}},
		{"something else", 418, nil, "tea", APIError{Operation: "Op", Status: 418}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			client := restClient("http://s3.test", roundTripFunc(func(*http.Request) (*http.Response, error) { return reply(c.status, c.header, c.body), nil }))
			_, err := client.Call(t.Context(), RESTCall{Operation: "Op", Method: http.MethodHead, Path: "/b", Retries: standard})
			var api *APIError
			if !errors.As(err, &api) || *api != c.want {
				t.Errorf("%#v, want %#v", err, c.want)
			}
		})
	}
}

// An answer that breaks off is asked for again, from its start.
func TestRESTBodyIsReadAgainWhenItBreaksOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		attempts := 0
		client := restClient("http://s3.test", roundTripFunc(func(*http.Request) (*http.Response, error) {
			if attempts++; attempts == 1 {
				return &http.Response{StatusCode: 200, Header: http.Header{}, Body: io.NopCloser(io.MultiReader(strings.NewReader("half"), brokenReader{}))}, nil
			}
			return reply(200, nil, "whole"), nil
		}))
		var text string
		_, err := client.Call(t.Context(), RESTCall{Operation: "GetObject", Method: http.MethodGet, Path: "/b/k", Retries: standard, Body: func(r io.Reader) error {
			b, err := io.ReadAll(r)
			text = string(b)
			return err
		}})
		if err != nil || text != "whole" || attempts != 2 {
			t.Errorf("%q after %d attempts, %v", text, attempts, err)
		}
	})
}

type brokenReader struct{}

func (brokenReader) Read([]byte) (int, error) { return 0, errors.New("connection reset by peer") }

// A sink that cannot take the body is no reason to ask again.
func TestRESTSinkFailureIsFinal(t *testing.T) {
	attempts := 0
	full := errors.New("disk full")
	client := restClient("http://s3.test", roundTripFunc(func(*http.Request) (*http.Response, error) {
		attempts++
		return reply(200, nil, "content"), nil
	}))
	_, err := client.Call(t.Context(), RESTCall{Operation: "GetObject", Method: http.MethodGet, Path: "/b/k", Retries: standard, Body: func(io.Reader) error { return full }})
	if !errors.Is(err, full) || attempts != 1 {
		t.Errorf("%v after %d attempts", err, attempts)
	}
}

func TestAttemptLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		attempts := 0
		j := testClient("http://service.test", roundTripFunc(func(r *http.Request) (*http.Response, error) {
			attempts++
			<-r.Context().Done()
			return nil, r.Context().Err()
		}))
		j.AttemptLimit = 5 * time.Second
		began := time.Now()
		err := j.Call(t.Context(), Call{Operation: "Ask", Retries: Retries{MaxAttempts: 3, Delay: func(int) time.Duration { return 0 }}})
		if attempts != 3 || time.Since(began) != 15*time.Second {
			t.Errorf("%d attempts in %s", attempts, time.Since(began))
		}
		var exhausted *ExhaustedError
		if !errors.As(err, &exhausted) || exhausted.Attempts != 3 {
			t.Errorf("%#v", err)
		}
		want := `Ask: Post "http://service.test/": context deadline exceeded (Client.Timeout exceeded while awaiting headers)`
		if err.Error() != want {
			t.Errorf("%q, want %q", err, want)
		}
	})
}

// The limit is for the header: a long body may take its time.
func TestAttemptLimitDoesNotBoundAStreamedBody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client := restClient("http://s3.test", roundTripFunc(func(r *http.Request) (*http.Response, error) {
			return &http.Response{StatusCode: 200, Header: http.Header{}, Body: io.NopCloser(&slowReader{request: r, pauses: 10})}, nil
		}))
		client.AttemptLimit = time.Second
		_, err := client.Call(t.Context(), RESTCall{Operation: "GetObject", Method: http.MethodGet, Path: "/b/k", Retries: Retries{MaxAttempts: 1},
			Body: func(r io.Reader) error { _, err := io.Copy(io.Discard, r); return err }})
		if err != nil {
			t.Error(err)
		}
	})
}

type slowReader struct {
	request *http.Request
	pauses  int
}

func (s *slowReader) Read(p []byte) (int, error) {
	if s.pauses == 0 {
		return 0, io.EOF
	}
	s.pauses--
	select {
	case <-time.After(time.Second):
		return copy(p, "x"), nil
	case <-s.request.Context().Done():
		return 0, s.request.Context().Err()
	}
}

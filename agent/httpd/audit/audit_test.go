package audit

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/aws/amazon-ecs-agent/agent/credentials"
	"github.com/aws/amazon-ecs-agent/agent/logger"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	taskARN  = "arn:aws:ecs:us-west-2:111122223333:task/default/158d1c8083dd49d6b527399fd6414f5c"
	instance = "arn:aws:ecs:us-west-2:111122223333:container-instance/default/c6f2f8a1f0a94e3b9d2b6f7c5a4e3d21"
)

func TestLines(t *testing.T) {
	text, err := os.ReadFile("testdata/lines.json")
	if err != nil {
		t.Fatal(err)
	}
	var cases []struct {
		Name, From, URL, UserAgent, Role, Line string
		Status                                 int
	}
	if err := json.Unmarshal(text, &cases); err != nil {
		t.Fatal(err)
	}
	l := New("default", instance)
	now := time.Date(2025, 3, 4, 6, 6, 7, 999, time.FixedZone("", 3600))
	for _, test := range cases {
		t.Run(test.Name, func(t *testing.T) {
			target, err := url.Parse(test.URL)
			if err != nil {
				t.Fatal(err)
			}
			r := &http.Request{URL: target, RemoteAddr: test.From, Header: http.Header{"User-Agent": {test.UserAgent}}}
			var c *credentials.Credentials
			if test.Role != "" {
				c = &credentials.Credentials{ID: "secret", TaskARN: taskARN, RoleType: credentials.RoleType(test.Role)}
			}
			if got := string(l.appendLine(nil, now, r, test.Status, c)); got != test.Line+"\n" {
				t.Errorf("got  %q\nwant %q", got, test.Line+"\n")
			}
		})
	}
}

func aRequest() *http.Request {
	return &http.Request{URL: &url.URL{Path: "/v2/credentials/id"}, RemoteAddr: "10.0.0.1:1", Header: http.Header{}}
}

func TestEveryLineIsWrittenToAllOutputs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "logs", "audit.log")
		var stdout strings.Builder
		l, err := Open(path, logger.Rotation{}, &stdout, "", "")
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() { l.Run(ctx); close(done) }()
		want := ""
		for range 3 {
			l.Credentials(aRequest(), 200, &credentials.Credentials{})
			synctest.Wait()
			l.Throttled(aRequest())
			want += "2000-01-01T00:00:00Z 200 10.0.0.1:1 \"/v2/credentials\" \"\" - GetCredentials 2 - -\n" +
				"2000-01-01T00:00:00Z 429 10.0.0.1:1 \"/v2/credentials\" \"\" - \n"
		}
		cancel()
		<-done
		file, err := os.ReadFile(path)
		if err != nil || string(file) != want || stdout.String() != want {
			t.Errorf("%v\n%s\n%s\nwant\n%s", err, file, stdout.String(), want)
		}
	})
}

func TestLongTextsAreCut(t *testing.T) {
	r := aRequest()
	r.URL.Path = "/" + strings.Repeat("é", 40000)
	r.Header.Set("User-Agent", strings.Repeat("x", 40000))
	line := string(New("c", "i").appendLine(nil, time.Unix(0, 0), r, 429, nil))
	want := `1970-01-01T00:00:00Z 429 10.0.0.1:1 "/` + strings.Repeat("é", 511) + `…" "` + strings.Repeat("x", maxText) + "…\" - \n"
	if line != want {
		t.Errorf("%d bytes, want %d: %.100s", len(line), len(want), line)
	}
}

// stuck is a disk that hangs until it fails.
type stuck chan struct{}

func (s stuck) Write(p []byte) (int, error) { <-s; return 0, errors.New("no space") }

func TestSlowDiskNeverHoldsUpRequests(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		disk := make(stuck)
		l := New("c", "i", disk)
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() { l.Run(ctx); close(done) }()
		l.Throttled(aRequest())
		synctest.Wait()
		for range 100_000 {
			l.Throttled(aRequest())
		}
		if len(l.waiting) > maxWaiting+1000 || l.lost == 0 {
			t.Errorf("%d bytes waiting, %d lost", len(l.waiting), l.lost)
		}
		close(disk)
		cancel()
		<-done
		if len(l.waiting) != 0 {
			t.Errorf("%d bytes left", len(l.waiting))
		}
	})
}

func TestDisabledLog(t *testing.T) {
	var l *Log
	l.Throttled(aRequest())
	l.Credentials(aRequest(), 200, nil)
	l.Run(t.Context())
}

func TestUnusableFile(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "file"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(filepath.Join(dir, "file", "audit.log"), logger.Rotation{}, nil, "", ""); err == nil || !strings.Contains(err.Error(), "audit.log") {
		t.Errorf("got %v", err)
	}
}

package tcs

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// statuses are the next status request's; other requests are skipped.
func statuses(t *testing.T, p *peer) received {
	t.Helper()
	for {
		if r := p.Receive(); r.Type == kindStatus {
			return r
		}
	}
}

func TestInstanceStatusIsReportedAfterEachExamination(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var down atomic.Bool
		doctor := NewDoctor(DockerCheck(func(context.Context) error {
			if down.Load() {
				return errors.New("connection refused")
			}
			return nil
		}))
		created := float64(time.Now().Unix())
		logged := logs.Mark()
		r := start(t, func(c *Config, _ *service) { c.Doctor = doctor })
		p := r.service.Peer()
		want := func(status string, changed, updated float64) {
			t.Helper()
			got := statuses(t, p)
			if s := got.Message.Statuses; len(s) != 1 || s[0].Type != "ContainerRuntime" || s[0].Status != status || s[0].LastStatusChange != changed || s[0].LastUpdated != updated || got.Message.Metadata.RequestID == "" {
				t.Errorf("%+v, want %s since %v, updated %v", s, status, changed-created, updated-created)
			}
		}
		want("INITIALIZING", created, created)
		if at := time.Since(r.began); at != statusInterval {
			t.Errorf("the first status came after %v", at)
		}
		time.Sleep(5 * time.Second)
		doctor.Examine(t.Context())
		want("OK", created+25, created)
		time.Sleep(5 * time.Second)
		doctor.Examine(t.Context())
		want("OK", created+25, created+25) // the time of the run before
		down.Store(true)
		doctor.Examine(t.Context())
		want("IMPAIRED", created+60, created+45)
		time.Sleep(2 * time.Minute)
		for _, request := range p.Pending() {
			if request.Type == kindStatus {
				t.Error("reported without an examination")
			}
		}
		for _, text := range []string{"Successfully published instance status message to TCS with request ID: ", "[DockerRuntimeHealthcheck] Docker Ping failed with error: connection refused"} {
			if !strings.Contains(logged(), text) {
				t.Errorf("the log lacks %q", text)
			}
		}
	})
}

func TestInstanceStatusThatCouldNotBeSentIsSentLater(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		logged := logs.Mark()
		failed := false
		r := start(t, func(c *Config, _ *service) {
			c.Doctor = NewDoctor(Check{"ContainerRuntime", nil})
			sign := c.Sign
			c.Sign = func(ctx context.Context, url string, payload []byte) (http.Header, error) {
				if strings.Contains(string(payload), kindStatus) && !failed {
					failed = true
					return nil, errors.New("no credentials")
				}
				return sign(ctx, url, payload)
			}
		})
		statuses(t, r.service.Peer())
		if at := time.Since(r.began); at != 2*statusInterval {
			t.Errorf("the status came after %v", at)
		}
		if !strings.Contains(logged(), "Unable to publish instance status") {
			t.Error(logged())
		}
	})
}

func TestWithoutChecksThereIsNoStatus(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		logged := logs.Mark()
		r := start(t)
		p := r.service.Peer()
		time.Sleep(time.Minute)
		for _, request := range p.Pending() {
			if request.Type == kindStatus {
				t.Errorf("%+v", request)
			}
		}
		if text := logged(); !strings.Contains(text, "Unable to create instance status message from doctor") || !strings.Contains(text, "No instance healthcheck status metrics to report") {
			t.Error(text)
		}
	})
}

// A Docker that does not answer is impaired after two seconds; a check that ends with the agent finds nothing.
func TestDockerCheckHasATimeLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		doctor := NewDoctor(DockerCheck(func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }))
		begun := time.Now()
		doctor.Examine(t.Context())
		if took := time.Since(begun); took != pingTimeout {
			t.Errorf("took %v", took)
		}
		if list, run, news := doctor.news(); !news || run != 1 || list[0].Status != statusImpaired {
			t.Error(list, run, news)
		}
		ended, cancel := context.WithCancel(t.Context())
		cancel()
		doctor.Examine(ended)
		if _, run, _ := doctor.news(); run != 1 {
			t.Error("what ended with the agent counts as a finding")
		}
	})
}

package dockerd

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/amazon-ecs-agent/agent/docker"
)

func TestConnectWaitsForTheDaemon(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		begin := time.Now()
		tries := 0
		_, err := connect(t.Context(), "unix:///x", func(context.Context, string) (*docker.Client, error) {
			tries++
			return nil, fmt.Errorf("%w: connection refused", docker.ErrNoDaemon)
		})
		if took := time.Since(begin); !errors.Is(err, docker.ErrNoDaemon) || tries != 6 || took < 12*time.Second || took > 14400*time.Millisecond {
			t.Errorf("%v after %d tries and %s", err, tries, took)
		}
	})
}

func TestConnectDoesNotWaitForADaemonThatDoesNotFit(t *testing.T) {
	for _, reason := range []error{docker.ErrDaemonTooOld, docker.ErrDaemonTooNew} {
		tries := 0
		_, err := connect(t.Context(), "unix:///x", func(context.Context, string) (*docker.Client, error) {
			tries++
			return nil, fmt.Errorf("%w: 400", reason)
		})
		if !errors.Is(err, reason) || tries != 1 {
			t.Errorf("%v after %d tries", err, tries)
		}
	}
}

func TestConnectEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 1500*time.Millisecond)
		defer cancel()
		begin := time.Now()
		_, err := connect(ctx, "unix:///x", func(context.Context, string) (*docker.Client, error) { return nil, docker.ErrNoDaemon })
		if err == nil || time.Since(begin) > 1500*time.Millisecond {
			t.Errorf("%v after %s", err, time.Since(begin))
		}
	})
}

func TestConnectToADaemonThatAppears(t *testing.T) {
	socket := filepath.Join(t.TempDir(), "docker.sock")
	began := make(chan struct{})
	go func() {
		<-began
		listener, err := net.Listen("unix", socket)
		if err != nil {
			t.Error(err)
			return
		}
		server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Api-Version", "1.43")
			_, _ = w.Write([]byte(`{"Version":"24.0.0","ApiVersion":"1.43","MinAPIVersion":"1.24"}`))
		})}
		t.Cleanup(func() { _ = server.Close() })
		_ = server.Serve(listener)
	}()
	first := true
	client, err := connect(t.Context(), "unix://"+socket, func(ctx context.Context, endpoint string) (*docker.Client, error) {
		client, err := docker.Connect(ctx, endpoint)
		if first {
			close(began)
			first = false
		}
		return client, err
	})
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	if newest(client) != "1.43" || !client.Supports("1.25") {
		t.Errorf("API version %s", newest(client))
	}
}

//go:build unix

package logger

import (
	"context"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"testing"
	"time"
)

func TestSIGUSR1DumpsStacksAndTheProcessGoesOn(t *testing.T) {
	// A second subscription keeps the test process alive when the signal comes before RunStackDumps listens.
	guard := make(chan os.Signal, 8)
	signal.Notify(guard, syscall.SIGUSR1)
	defer signal.Stop(guard)

	r, w := io.Pipe()
	before := current.Load()
	defer current.Store(before)
	defer Setup(Options{Driver: w})()

	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error)
	go func() { done <- RunStackDumps(ctx) }()

	seen := make(chan string)
	go func() {
		buf := make([]byte, 2*maxStackDump)
		n, _ := r.Read(buf)
		seen <- string(buf[:n])
	}()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	deadline := time.After(10 * time.Second)
	var dump string
	for dump == "" {
		select {
		case dump = <-seen:
		case <-tick.C:
			_ = syscall.Kill(os.Getpid(), syscall.SIGUSR1)
		case <-deadline:
			t.Fatal("no dump within 10 s")
		}
	}
	if !strings.Contains(dump, "====== STACKTRACE ======") {
		t.Errorf("got %.200s", dump)
	}
	_ = r.Close()
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

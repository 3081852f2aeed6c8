package netdev

import (
	"context"
	"slices"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestLinksOfThisHost(t *testing.T) {
	links, err := Links()
	if err != nil {
		t.Fatal(err)
	}
	if !slices.ContainsFunc(links, func(l Link) bool { return l.Name == "lo" && l.Loopback && l.Kind == "" }) {
		t.Errorf("no loopback interface in %+v", links)
	}
}

func TestWatchEndsWithItsContext(t *testing.T) {
	w, err := NewWatch()
	if err != nil {
		t.Skip(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error)
	go func() { ended <- w.Run(ctx, func() {}) }()
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

//go:build e2e && linux

package e2e

import (
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/aws/amazon-ecs-agent/misc/e2e/rig"
)

// attack opens connections that say little or nothing, so many a second, until ctx ends. What it opened is told by count.
func attack(ctx context.Context, addresses []string, count *atomic.Int64) {
	const workers, pause = 10, 5 * time.Millisecond // two thousand a second
	var all sync.WaitGroup
	defer all.Wait()
	for w := range workers {
		all.Go(func() {
			var held []net.Conn
			defer func() {
				for _, c := range held {
					_ = c.Close()
				}
			}()
			tick := time.NewTicker(pause)
			defer tick.Stop()
			for n := 0; ; n++ {
				select {
				case <-ctx.Done():
					return
				case <-tick.C:
				}
				conn, err := (&net.Dialer{Timeout: time.Second}).DialContext(ctx, "tcp", addresses[(n+w)%len(addresses)])
				if err != nil {
					continue
				}
				count.Add(1)
				_, _ = io.WriteString(conn, []string{"", "GET /v4/x HTTP/1.1\r\nX: ", "\x16\x03\x01\r\n\r\n", "GET /v1/tasks HTTP/1.1\r\nHost: x\r\n\r\n"}[n%4])
				const most = 800
				if held = append(held, conn); len(held) > most {
					_ = held[0].Close()
					held = held[1:]
				}
			}
		})
	}
}

// TestConnectionsThatSayNothingHarmNobody attacks both servers of the agent while it has work to do.
func TestConnectionsThatSayNothingHarmNobody(t *testing.T) {
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err == nil && limit.Cur < limit.Max {
		before := limit
		limit.Cur = limit.Max
		if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &limit); err == nil {
			t.Cleanup(func() { _ = unix.Setrlimit(unix.RLIMIT_NOFILE, &before) })
		}
	}
	h := newHost(t)
	h.start()
	definition := h.register(oneContainer("batch", "--steps", "1000", "--interval", "1s"))
	first := h.runTask(definition)
	h.await("RUNNING", first)
	calm, err := residentBytes(h.agent)
	h.must(err)

	ctx, stop := context.WithCancel(h.ctx())
	defer stop()
	var opened atomic.Int64
	var attackers sync.WaitGroup
	attackers.Go(func() {
		attack(ctx, []string{strings.TrimPrefix(rig.TaskAPI, "http://"), strings.TrimPrefix(rig.Introspection, "http://")}, &opened)
	})
	h.poll("10,000 connections", func() (bool, error) { return opened.Load() >= 10000, nil })

	const slow = 4 * time.Second // silent ones are closed after five
	for _, url := range []string{rig.TaskAPI + "/v2/credentials/unknown", rig.Introspection + "/v1/metadata"} {
		for range 10 {
			began := time.Now()
			if _, _, err := rig.Get(h.ctx(), url); err != nil || time.Since(began) > slow {
				t.Errorf("%s under attack: %v after %v", url, err, time.Since(began))
			}
		}
	}
	h.await("RUNNING", h.runTask(definition)) // for which the agent has to talk to Docker and to ECS
	h.must(h.Stop(h.ctx(), first, "seen enough"))
	h.await("STOPPED", first)
	busy, err := residentBytes(h.agent)
	h.must(err)
	stop()
	attackers.Wait()
	t.Logf("%d connections; %.0f MiB resident before, %.0f under attack", opened.Load(), mib(calm), mib(busy))
	const most = 200 << 20
	if busy > calm+most {
		t.Errorf("the agent grew from %.0f to %.0f MiB", mib(calm), mib(busy))
	}
	h.poll("the connections to be closed", func() (bool, error) {
		entries, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", h.agent.Pid()))
		return len(entries) < 200, err
	})
}

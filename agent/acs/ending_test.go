package acs

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"github.com/aws/amazon-ecs-agent/agent/goldenfile"
	"github.com/aws/amazon-ecs-agent/agent/wsconn"
)

func closed(code int) error { return &websocket.CloseError{Code: code, Text: "bye"} }

func TestEndings(t *testing.T) {
	var golden struct {
		Cases []struct {
			End, Next, Body  string
			Code, HTTPStatus int
			BackoffReset     bool
			NotifyTCS        bool
		}
	}
	goldenfile.Read(t, "testdata/endings.json", &golden)
	for _, c := range golden.Cases {
		if c.Next == "none" {
			continue // see TestShutdown
		}
		t.Run(fmt.Sprintf("%s %d %s", c.End, c.Code, c.Body), func(t *testing.T) {
			e := ending{connected: true, lived: 10 * time.Minute}
			switch {
			case c.Code != 0:
				e.err = closed(c.Code)
			case strings.HasPrefix(c.End, "TCP closed"):
				e.err = closed(websocket.CloseAbnormalClosure)
			case strings.HasPrefix(c.End, "connection reset"):
				e.err = syscall.ECONNRESET
			case strings.HasPrefix(c.End, "read deadline"):
				e.err = os.ErrDeadlineExceeded
			case strings.HasPrefix(c.End, "inactivity"):
				e.err = errInactive
			case strings.HasPrefix(c.End, "maximum age"):
				e.err, e.expired, e.lived = closed(websocket.CloseNormalClosure), true, 31*time.Minute
			case strings.HasPrefix(c.End, "dial error"):
				e = ending{err: io.ErrUnexpectedEOF}
			case c.HTTPStatus != 0:
				refused := &wsconn.RefusedError{Host: "h", Status: c.HTTPStatus, Body: c.Body, Cause: websocket.ErrBadHandshake}
				if m, err := wsconn.Decode([]byte(c.Body), ErrorTypes); err == nil {
					refused.Service, _ = m.ServiceError(ErrorTypes)
				}
				e = ending{err: refused}
			default:
				t.Fatalf("unknown end %q", c.End)
			}

			const failures = 13 // before: 250 ms × 1.5¹³ comes next
			b := newWaits()
			for range failures {
				b.pauses.Next()
			}
			wait := b.after(e)
			if e.deregistered() != c.NotifyTCS {
				t.Errorf("deregistered: %t", e.deregistered())
			}
			switch c.Next {
			case "immediate":
				// A dropped connection has a short delay, so that not all agents come back in the same instant.
				if limit := 300 * time.Millisecond; wait > limit || wait > 0 && !e.dropped() {
					t.Errorf("waits %v", wait)
				}
			case "backoff":
				if wait < 48*time.Second || wait > 59*time.Second {
					t.Errorf("waits %v", wait)
				}
			case "1h":
				if wait != time.Hour {
					t.Errorf("waits %v", wait)
				}
			}
			if reset := b.pauses.Failures < failures; reset != c.BackoffReset {
				t.Errorf("backoff was reset: %t", reset)
			}
		})
	}
}

func TestBackoff(t *testing.T) {
	var golden struct {
		Delays []struct {
			Failure                         int
			MinSeconds, MaxSecondsExclusive float64
		}
	}
	goldenfile.Read(t, "testdata/backoff.json", &golden)
	jittered := false
	for range 50 {
		b := newWaits()
		for _, d := range golden.Delays {
			got := b.after(ending{err: errors.New("x")}).Seconds()
			if got < d.MinSeconds-1e-6 || got >= d.MaxSecondsExclusive {
				t.Fatalf("failure %d: %v s", d.Failure, got)
			}
			jittered = jittered || got > d.MinSeconds+1e-3
		}
	}
	if !jittered {
		t.Error("no jitter")
	}
}

// A service that accepts connections and ends them is not hammered, however it ends them.
func TestShortConnectionsNeverLoop(t *testing.T) {
	for _, code := range []int{1000, 1001, 1006, 1011} {
		b := newWaits()
		var total time.Duration
		for range 20 {
			total += b.after(ending{err: closed(code), connected: true, lived: time.Second})
		}
		if total < 4*time.Minute {
			t.Errorf("code %d: 20 connections within %v", code, total)
		}
		if wait := b.after(ending{err: closed(code), connected: true, lived: time.Minute}); wait > 300*time.Millisecond {
			t.Errorf("code %d: waits %v after a long connection", code, wait)
		}
	}
	b := newWaits()
	if wait := b.after(ending{err: closed(1006), connected: true, lived: wsconn.MaxAge(), expired: true}); wait != 0 {
		t.Errorf("dropped after the agent asked for the end: waits %v", wait)
	}
	if wait := b.after(ending{err: closed(1000), connected: true, lived: time.Second}); wait != 0 {
		t.Errorf("the first short connection that was closed in order: waits %v", wait)
	}
}

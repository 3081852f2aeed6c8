package tcs

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gorilla/websocket"

	"github.com/aws/amazon-ecs-agent/agent/stats"
	"github.com/aws/amazon-ecs-agent/agent/wsconn"
)

// tasks are metrics of n tasks.
func tasks(n int) stats.Metrics {
	var m stats.Metrics
	for i := range n {
		m.Tasks = append(m.Tasks, stats.TaskMetrics{ARN: fmt.Sprint(taskPrefix, i), Containers: []stats.ContainerMetrics{{Name: "c"}}})
	}
	return m
}

func TestAnIdleInstanceReportsAtOnceAndEveryTwentySeconds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := start(t, func(c *Config, _ *service) { c.Doctor = NewDoctor(Check{"Never", nil}); c.Doctor.reported(0) })
		p := r.service.Peer()
		ids := map[string]bool{}
		for i := range 10 {
			request := p.Receive()
			if request.Type != kindMetrics || !request.Message.Metadata.Idle || !request.Message.Metadata.Fin || request.header != "Authorization: signed" {
				t.Errorf("%+v", request)
			}
			if at := request.at.Sub(r.began); at != time.Duration(i)*publishInterval {
				t.Errorf("request %d came after %v", i, at)
			}
			ids[request.Message.Metadata.MessageID] = true
		}
		if len(ids) != 10 {
			t.Errorf("%d ids", len(ids))
		}
		if want := []bool{false, false, false, true, false, false, true}; !slices.Equal(r.source.asked[:7], want) {
			t.Errorf("Service Connect metrics were asked for at %v", r.source.asked)
		}
	})
}

func TestMetricsAndHealthOfManyTasks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := start(t, func(c *Config, _ *service) {
			src := c.Source.(*source)
			src.metrics = tasks(25)
			src.health = []stats.TaskHealth{{ARN: taskPrefix + "0", Containers: []stats.ContainerHealth{{Name: "c", Status: "HEALTHY", Since: time.Now()}}}}
		})
		p := r.service.Peer()
		synctest.Wait()
		var metrics []int
		health := 0
		for _, request := range p.Pending() {
			switch request.Type {
			case kindMetrics:
				metrics = append(metrics, len(request.Message.TaskMetrics))
			case kindHealth:
				health += len(request.Message.Tasks)
			}
		}
		if !slices.Equal(metrics, []int{10, 10, 5}) || health != 1 {
			t.Errorf("metrics %v, health of %d tasks", metrics, health)
		}
	})
}

func TestNothingToReportIsNoMessage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		logged := logs.Mark()
		r := start(t, func(c *Config, _ *service) {
			c.Source.(*source).err = stats.ErrNoMetrics
			c.Doctor = NewDoctor(Check{"Never", nil})
			c.Doctor.reported(0)
		})
		p := r.service.Peer()
		time.Sleep(time.Minute)
		if requests := p.Pending(); len(requests) != 0 {
			t.Errorf("%+v", requests)
		}
		if !strings.Contains(logged(), "Error collecting task metrics: stats engine: no task metrics to report") {
			t.Error(logged())
		}
	})
}

// What was measured without a connection is sent later, as long as the service takes it: that of the last five minutes.
func TestBufferedMessagesGoOutAfterAnOutage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var open atomic.Bool
		logged := logs.Mark()
		r := start(t, func(_ *Config, s *service) {
			s.Refuse = func(_ int, w http.ResponseWriter) bool {
				if open.Load() {
					return false
				}
				w.WriteHeader(http.StatusServiceUnavailable)
				return true
			}
		})
		time.Sleep(3*time.Hour + 10*time.Second)
		open.Store(true)
		p := r.service.Peer()
		synctest.Wait()
		connected := time.Now()
		requests := slices.DeleteFunc(p.Pending(), func(r received) bool { return r.Type != kindMetrics })
		if len(requests) < 14 || len(requests) > bufferSize {
			t.Errorf("%d messages", len(requests))
		}
		last := connected.Add(-tooOld)
		for _, request := range requests {
			at := time.UnixMilli(int64(request.Message.Timestamp * 1000))
			if at.Before(last.Add(-time.Second)) || at.After(connected) {
				t.Errorf("a message of %v, after one of %v", at, last)
			}
			last = at
		}
		if n := strings.Count(logged(), "timeout sending telemetry message, discarding metrics"); n < 500 {
			t.Errorf("%d discarded messages were logged", n)
		}
	})
}

// A service that is away for hours costs a retry a minute, and memory for no more than fifteen messages.
func TestDeadServiceCostsRetriesOnly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := start(t, func(c *Config, s *service) {
			c.Source.(*source).metrics = tasks(30)
			s.Refuse = func(_ int, w http.ResponseWriter) bool {
				w.WriteHeader(http.StatusInternalServerError)
				return true
			}
		})
		heap := func() uint64 {
			synctest.Wait()
			runtime.GC()
			var m runtime.MemStats
			runtime.ReadMemStats(&m)
			return m.HeapAlloc - uint64(logs.Cap())
		}
		time.Sleep(time.Hour)
		first, goroutines := heap(), runtime.NumGoroutine()
		time.Sleep(5 * time.Hour)
		if n := r.service.Connects(); n < 6*50 || n > 6*60+10 {
			t.Errorf("%d connects in six hours", n)
		}
		if now := heap(); now > first+1<<20 {
			t.Errorf("the heap grew from %d to %d bytes", first, now)
		}
		if n := runtime.NumGoroutine(); n > goroutines+5 {
			t.Errorf("%d goroutines, %d before", n, goroutines)
		}
		if n := len(r.metrics.messages); n != bufferSize {
			t.Errorf("%d messages are kept", n)
		}
	})
}

// A service whose host swallows packets costs an attempt every half minute and more, and does not hold up the end.
func TestConnectsThatHang(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var dials atomic.Int32
		r := start(t, func(c *Config, _ *service) {
			c.Dialer = &wsconn.Dialer{NetDial: func(ctx context.Context, _, _ string) (net.Conn, error) {
				dials.Add(1)
				<-ctx.Done()
				return nil, ctx.Err()
			}}
		})
		time.Sleep(time.Hour)
		if n := dials.Load(); n < 40 || n > 60 {
			t.Errorf("%d connects in an hour", n)
		}
		synctest.Wait()
		begun := time.Now()
		r.stop()
		if took := time.Since(begun); took != 0 {
			t.Errorf("the end took %v", took)
		}
	})
}

func TestDiscoveryFailures(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		logged := logs.Mark()
		r := start(t, func(c *Config, _ *service) { c.Endpoints = endpoints{errors.New("throttled")} })
		time.Sleep(time.Minute)
		got := r.Stats()
		if got.Connected || got.ConnectFailures < 5 || got.ConnectFailures > 7 || got.LastEnd != "discover the TCS endpoint: throttled" {
			t.Errorf("%+v", got)
		}
		for _, text := range []string{"tcs: unable to discover poll endpoint", "Error: lost websocket connection with ECS Telemetry service (TCS): "} {
			if !strings.Contains(logged(), text) {
				t.Errorf("the log lacks %q", text)
			}
		}
	})
}

func TestRefusedConnects(t *testing.T) {
	for body, want := range map[string]string{
		`{"InvalidParameterException":"Cluster not found"}`:            "InvalidParameterException: Cluster not found",
		`{"type":"ServerException","message":{"message":"try later"}}`: "ServerException: try later",
		`<html>403</html>`: "websocket client: unable to dial tcs.test response: <html>403</html>: ",
	} {
		synctest.Test(t, func(t *testing.T) {
			r := start(t, func(_ *Config, s *service) {
				s.Refuse = func(n int, w http.ResponseWriter) bool {
					if n == 0 {
						w.WriteHeader(http.StatusForbidden)
						_, _ = w.Write([]byte(body))
					}
					return n == 0
				}
			})
			synctest.Wait()
			if end := r.Stats().LastEnd; !strings.HasPrefix(end, want) {
				t.Errorf("%s: %s", body, end)
			}
			r.service.Peer() // none of them is final
			if gap := r.service.Gaps()[0]; gap < time.Second || gap > 1200*time.Millisecond {
				t.Errorf("connected again after %v", gap)
			}
		})
	}
}

func TestEndsOfALastingConnection(t *testing.T) {
	for code, most := range map[int]time.Duration{
		1000: 0, 1001: 0, // at once
		0: time.Second, 1011: time.Second, // at once too, but not all agents in the same instant
		1008: 1200 * time.Millisecond, 1013: 1200 * time.Millisecond,
	} {
		t.Run(fmt.Sprint(code), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				logged := logs.Mark()
				r := start(t)
				p := r.service.Peer()
				time.Sleep(5 * time.Minute)
				ended := time.Now()
				if code == 0 {
					p.Drop()
				} else {
					p.End(code)
				}
				r.service.Peer()
				if gap := time.Since(ended); gap > most || code >= 1008 && code != 1011 && gap < time.Second {
					t.Errorf("connected again after %v", gap)
				}
				valid := strings.Contains(logged(), "TCS Websocket connection closed for a valid reason")
				if valid != (most <= time.Second) {
					t.Errorf("a valid reason: %t", valid)
				}
			})
		})
	}
}

// A service that accepts connections only to end them is left alone more and more.
func TestShortConnectionsDoNotBecomeALoop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := start(t)
		begun := time.Now()
		for time.Since(begun) < 10*time.Minute {
			r.service.Peer().End(1000)
		}
		gaps := r.service.Gaps()
		if len(gaps) > 20 || gaps[0] != 0 || gaps[len(gaps)-1] < time.Minute {
			t.Errorf("%v", gaps)
		}
		// One that lasts makes up for it.
		p := r.service.Peer()
		time.Sleep(2 * time.Minute)
		ended := time.Now()
		p.End(1000)
		r.service.Peer()
		if gap := time.Since(ended); gap != 0 {
			t.Errorf("connected again after %v", gap)
		}
	})
}

func TestASilentServiceIsAskedToCloseTheConnection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		logged := logs.Mark()
		r := start(t, func(_ *Config, s *service) { mute(t, s) })
		p := r.service.Peer()
		err := p.Lasts()
		var end *websocket.CloseError
		if !errors.As(err, &end) || end.Code != 1000 || end.Text != "ConnectionExpired: Reconnect to continue" {
			t.Error(err)
		}
		if lasted := time.Since(r.began); lasted < time.Minute || lasted > 2*time.Minute {
			t.Errorf("the connection lasted %v", lasted)
		}
		// The service does not answer the close frame: after three minutes without a word the connection is given up.
		time.Sleep(3 * time.Minute)
		synctest.Wait()
		if !strings.Contains(logged(), "Closing connection") || r.Stats().Connects < 2 && r.Connected() {
			t.Errorf("%+v", r.Stats())
		}
	})
}

func TestAcknowledgementsAndHeartbeatsKeepTheConnection(t *testing.T) {
	for name, alive := range map[string]string{
		"heartbeats": `{"type":"HeartbeatMessage","message":{"healthy":true}}`,
		"nothing":    `{"type":"StopTelemetrySessionMessage","message":{"message":"bye"}}`,
	} {
		synctest.Test(t, func(t *testing.T) {
			r := start(t, func(_ *Config, s *service) { mute(t, s) })
			p := r.service.Peer()
			closed := make(chan struct{})
			go func() { defer close(closed); _ = p.Lasts() }()
			for range 20 { // ten minutes
				select {
				case <-closed:
				default:
					p.Send([]byte(alive))
				}
				time.Sleep(30 * time.Second)
			}
			select {
			case <-closed:
				if name == "heartbeats" {
					t.Error("closed although there were heartbeats")
				}
			default:
				if name == "nothing" {
					t.Error("kept although nothing showed that the service works")
				}
				p.Drop()
				<-closed
			}
		})
	}
}

func TestConnectionsHaveAMaximumAge(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := start(t)
		p := r.service.Peer()
		begun := time.Now()
		_ = p.Lasts()
		if age := time.Since(begun); age < 30*time.Minute || age > 35*time.Minute {
			t.Errorf("ended after %v", age)
		}
		ended := time.Now()
		r.service.Peer()
		if gap := time.Since(ended); gap != 0 {
			t.Errorf("connected again after %v", gap)
		}
	})
}

func TestUnreadableMessagesAreIgnored(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		logged := logs.Mark()
		r := start(t)
		p := r.service.Peer()
		for _, text := range []string{"not json", `{"type":"Brandnew","message":{}}`, `{"type":"ServerException","message":{"message":"oops"}}`} {
			p.Send([]byte(text))
		}
		time.Sleep(time.Minute)
		got := r.Stats()
		if !got.Connected || got.Unreadable != 2 || got.Connects != 1 || got.ConnectedAt.IsZero() {
			t.Errorf("%+v", got)
		}
		for _, text := range []string{
			"Unable to handle message from backend: Could not decode message into any expected format: not json",
			"Unable to handle message from backend: Could not recognize given argument as a valid type: Brandnew",
			"No handler for message type: ServerException",
		} {
			if !strings.Contains(logged(), text) {
				t.Errorf("the log lacks %q", text)
			}
		}
	})
}

// Without credentials nothing is written, and the next message is tried with new ones.
func TestWithoutCredentialsNothingIsSent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var signed atomic.Int32
		logged := logs.Mark()
		r := start(t, func(c *Config, _ *service) {
			sign := c.Sign
			c.Sign = func(ctx context.Context, url string, payload []byte) (http.Header, error) {
				if signed.Add(1) == 1 {
					return nil, errors.New("no credentials")
				}
				return sign(ctx, url, payload)
			}
		})
		p := r.service.Peer()
		if request := p.Receive(); request.at.Sub(r.began) != publishInterval {
			t.Errorf("the first request came after %v", request.at.Sub(r.began))
		}
		if text := logged(); !strings.Contains(text, "Error publishing metrics") || !strings.Contains(text, "no credentials") {
			t.Error(text)
		}
		if got := r.Stats(); got.SendFailures != 1 {
			t.Errorf("%+v", got)
		}
	})
}

func TestShutdownDoesNotWaitForABackoff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := start(t, func(_ *Config, s *service) {
			s.Refuse = func(_ int, w http.ResponseWriter) bool { w.WriteHeader(500); return true }
		})
		time.Sleep(10 * time.Minute)
		synctest.Wait()
		begun := time.Now()
		r.stop()
		if took := time.Since(begun); took != 0 {
			t.Errorf("took %v", took)
		}
	})
	synctest.Test(t, func(t *testing.T) {
		r := start(t)
		p := r.service.Peer()
		synctest.Wait()
		begun := time.Now()
		r.stop()
		if took := time.Since(begun); took != 0 {
			t.Errorf("took %v", took)
		}
		_ = p.Lasts()
	})
}

func TestADeregisteredInstanceIsSilentUntilItIsAcceptedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var accepted atomic.Bool
		r := start(t, func(c *Config, _ *service) { c.Accepted = accepted.Load })
		p := r.service.Peer()
		synctest.Wait()
		asked := len(r.source.asked)
		r.Deregistered()
		_ = p.Lasts()
		time.Sleep(6 * time.Hour)
		if r.Connected() || r.service.Connects() != 1 || len(r.source.asked) != asked {
			t.Errorf("%+v; asked %d times for metrics", r.Stats(), len(r.source.asked)-asked)
		}
		accepted.Store(true)
		p = r.service.Peer()
		first := p.Receive()
		if at := time.UnixMilli(int64(first.Message.Timestamp * 1000)); time.Since(at) > publishInterval {
			t.Errorf("sent what was measured at %v", at)
		}
	})
}

// Deregistration may be told when there is no connection, and more than once.
func TestDeregisteredDuringABackoff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var accepted atomic.Bool
		r := start(t, func(c *Config, s *service) {
			c.Accepted = accepted.Load
			s.Refuse = func(_ int, w http.ResponseWriter) bool {
				if accepted.Load() {
					return false
				}
				w.WriteHeader(http.StatusInternalServerError)
				return true
			}
		})
		time.Sleep(10 * time.Minute)
		r.Deregistered()
		r.Deregistered()
		synctest.Wait()
		before := r.service.Connects()
		time.Sleep(time.Hour)
		if n := r.service.Connects(); n != before {
			t.Errorf("%d connects of a deregistered instance", n-before)
		}
		accepted.Store(true)
		r.service.Peer().Receive()
	})
}

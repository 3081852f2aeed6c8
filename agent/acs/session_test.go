package acs

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gorilla/websocket"

	"github.com/aws/amazon-ecs-agent/agent/backoff"
	"github.com/aws/amazon-ecs-agent/agent/goldenfile"
	"github.com/aws/amazon-ecs-agent/agent/task"
	"github.com/aws/amazon-ecs-agent/agent/wsconn"
)

func TestConnectURL(t *testing.T) {
	var golden struct {
		Given struct{ Cluster, ContainerInstanceARN, AgentVersion, AgentHash, DockerVersion string }
		Cases []struct {
			Endpoint, Connect, Expect, ExpectAbsentParam, ExpectError string
			DockerVersion                                             *string
			ExpectParam                                               map[string]string
		}
	}
	goldenfile.Read(t, "testdata/connect_url.json", &golden)
	for _, c := range golden.Cases {
		docker := golden.Given.DockerVersion
		if c.DockerVersion != nil {
			docker = *c.DockerVersion
		}
		s := New(Config{
			Cluster: golden.Given.Cluster, ContainerInstanceARN: golden.Given.ContainerInstanceARN, Manifest: &fakeManifest{},
			AgentVersion: golden.Given.AgentVersion, AgentHash: golden.Given.AgentHash,
			DockerVersion: func(context.Context) string { return docker },
		})
		s.everConnected = c.Connect == "after a first success"
		query := s.query(t.Context())
		got, err := wsconn.URL(c.Endpoint, query)
		if c.ExpectError != "" && (err == nil || err.Error() != c.ExpectError) {
			t.Errorf("%v, want %s", err, c.ExpectError)
		}
		if c.Expect != "" && got != c.Expect {
			t.Errorf("got  %s\nwant %s", got, c.Expect)
		}
		for name, value := range c.ExpectParam {
			if query.Get(name) != value {
				t.Errorf("%s=%s, want %s", name, query.Get(name), value)
			}
		}
		if c.ExpectAbsentParam != "" && query.Has(c.ExpectAbsentParam) {
			t.Errorf("%s=%s", c.ExpectAbsentParam, query.Get(c.ExpectAbsentParam))
		}
	}
}

// Credentials are asked for until the first connection of the process, and not again.
func TestSendCredentials(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var asked []string
		r := start(t, func(c *Config, s *service) {
			c.Dialer = dialerFunc(func(ctx context.Context, url string) (*wsconn.Conn, error) {
				_, after, _ := strings.Cut(url, "sendCredentials=")
				asked = append(asked, after[:4])
				return (&wsconn.Dialer{NetDial: s.Dial}).Dial(ctx, url)
			})
			s.Refuse = func(n int, w http.ResponseWriter) bool {
				if n == 0 {
					w.WriteHeader(http.StatusInternalServerError)
				}
				return n == 0
			}
		})
		r.service.Peer().End(1000)
		r.service.Peer().End(1000)
		r.service.Peer()
		same(t, "sendCredentials", asked, []string{"true", "true", "fals", "fals"})
	})
}

type dialerFunc func(ctx context.Context, url string) (*wsconn.Conn, error)

func (f dialerFunc) Dial(ctx context.Context, url string) (*wsconn.Conn, error) { return f(ctx, url) }

func TestHeartbeatsDoNotWaitForSlowWork(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := start(t)
		r.engine.block = make(chan struct{})
		p := r.service.Peer()
		p.Send(message(`[{"arn":"a","desiredStatus":"RUNNING"}]`))
		for i := range 10 { // ten minutes
			id := fmt.Sprint("beat", i)
			p.Send(heartbeat(id))
			expect(t, p, "HeartbeatAckRequest", id)
			time.Sleep(55 * time.Second)
		}
		close(r.engine.block)
		expect(t, p, "AckRequest", "m")
	})
}

// An answer that was not ready when its connection ended goes out on the next one.
func TestLateAnswersGoOutOnTheNextConnection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := start(t)
		r.engine.block = make(chan struct{})
		first := r.service.Peer()
		first.Send(message(`[{"arn":"a","desiredStatus":"RUNNING"}]`))
		synctest.Wait()
		first.End(1000)
		second := r.service.Peer()
		close(r.engine.block)
		expect(t, second, "AckRequest", "m")
		<-first.Ended()
		for e := range first.Messages {
			t.Errorf("%s on the first connection", e.Type)
		}
	})
}

// However long a task waits for its turn, what is read for it after it came is new enough.
func TestTasksKnowWhenTheyCame(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := start(t)
		r.engine.block = make(chan struct{})
		p := r.service.Peer()
		for _, id := range []string{"m1", "m2"} {
			p.Send(frame("PayloadMessage", fmt.Sprintf(`{"messageId":%q,"clusterArn":"c","containerInstanceArn":"i","tasks":[{"arn":%[1]q,"desiredStatus":"RUNNING"}]}`, id)))
		}
		synctest.Wait()
		came := time.Now()
		time.Sleep(10 * time.Second)
		close(r.engine.block)
		expect(t, p, "AckRequest", "m1")
		expect(t, p, "AckRequest", "m2")
		for _, arn := range []string{"m1", "m2"} {
			if got, _ := r.engine.Task(arn); !got.Engine.ReceivedAt.Equal(came) {
				t.Errorf("%s came at %v, not at %v", arn, came, got.Engine.ReceivedAt)
			}
		}
	})
}

func TestMessagesAreHandledInOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := start(t)
		p := r.service.Peer()
		for i := range 50 {
			p.Send(frame("PayloadMessage", fmt.Sprintf(`{"messageId":"m%d","clusterArn":"c","containerInstanceArn":"i","tasks":[{"arn":"a%d"}]}`, i, i)))
		}
		for i := range 50 {
			expect(t, p, "AckRequest", fmt.Sprint("m", i))
		}
		for i, arn := range r.engine.accepted {
			if arn != fmt.Sprint("a", i) {
				t.Fatalf("accepted %v", r.engine.accepted)
			}
		}
	})
}

func TestInstanceHealthChecksRunOneAtATime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var runs, now, most atomic.Int32
		r := start(t, func(c *Config, _ *service) {
			c.CheckHealth = func(ctx context.Context) {
				most.Store(max(most.Load(), now.Add(1)))
				defer now.Add(-1)
				runs.Add(1)
				_ = backoff.Sleep(ctx, 10*time.Second)
			}
		})
		p := r.service.Peer()
		for i := range 5 {
			id := fmt.Sprint("b", i)
			p.Send(heartbeat(id))
			expect(t, p, "HeartbeatAckRequest", id)
		}
		time.Sleep(time.Minute)
		if runs.Load() != 2 || most.Load() != 1 {
			t.Errorf("%d runs, %d at a time", runs.Load(), most.Load())
		}
	})
}

func TestSilentServiceIsLeft(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := start(t)
		begun := time.Now()
		p := r.service.Peer()
		<-p.Ended()
		lived := time.Since(begun)
		if lived < 60*time.Second || lived >= 120*time.Second {
			t.Errorf("closed after %v", lived)
		}
		if !wsconn.Dropped(p.Err) {
			t.Errorf("ended with %v, want no close frame", p.Err)
		}
		synctest.Wait()
		if stats := r.Stats(); stats.LastEnd != errInactive.Error() || stats.Connected {
			t.Errorf("%+v", stats)
		}
		r.service.Peer()
		if gap := r.service.Gaps()[0] - lived; gap > 300*time.Millisecond {
			t.Errorf("reconnected after %v", gap)
		}
	})
}

// Only messages that are understood keep a connection alive: no pings, no garbage.
func TestWhatCountsAsActivity(t *testing.T) {
	noise := map[string]func(*peer){
		"pings":         func(p *peer) { _ = p.WriteControl(websocket.PingMessage, nil, time.Now().Add(time.Second)) },
		"garbage":       func(p *peer) { _ = p.WriteMessage(websocket.TextMessage, []byte("hello")) },
		"unknown types": func(p *peer) { _ = p.WriteMessage(websocket.TextMessage, frame("FooMessage", "{}")) },
	}
	for name, send := range noise {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := start(t)
				p := r.service.Peer()
				for range 13 { // 130 s
					send(p)
					time.Sleep(10 * time.Second)
				}
				select {
				case <-p.Ended():
				default:
					t.Error("still connected")
				}
			})
		})
	}
	t.Run("notices", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			r := start(t)
			p := r.service.Peer()
			for range 20 {
				p.Send(frame("ErrorMessage", `{"message":"x"}`))
				time.Sleep(55 * time.Second)
			}
			if !r.Connected() {
				t.Error("not connected any more")
			}
		})
	})
}

// beats keeps a connection alive until it ends.
func beats(p *peer) {
	for {
		select {
		case <-p.Ended():
			return
		case <-time.After(20 * time.Second):
			_ = p.WriteMessage(websocket.TextMessage, heartbeat("b"))
		}
	}
}

func TestMaximumAge(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := start(t)
		begun := time.Now()
		p := r.service.Peer()
		beats(p)
		age := time.Since(begun)
		if age < 30*time.Minute || age >= 36*time.Minute {
			t.Errorf("ended after %v", age)
		}
		var end *websocket.CloseError
		if !errors.As(p.Err, &end) || end.Code != 1000 || end.Text != "ConnectionExpired: Reconnect to continue" {
			t.Errorf("ended with %v", p.Err)
		}
		r.service.Peer()
		if again := time.Since(begun) - age; again != 0 {
			t.Errorf("reconnected after %v", again)
		}
	})
}

// A service that goes on after the agent's close frame is left all the same, and what was not sent goes to the next one.
func TestMaximumAgeOfAServiceThatDoesNotClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := start(t, func(_ *Config, s *service) { s.Deaf = make(chan struct{}) })
		r.engine.block = make(chan struct{})
		p := r.service.Peer()
		synctest.Wait()
		go func() { // finish the work only after the agent's close frame
			for e := range p.Messages {
				if e.Type != "HeartbeatAckRequest" {
					t.Errorf("got %s %s", e.Type, e.Message)
				}
			}
			close(r.engine.block)
		}()
		p.Send(message(`[{"arn":"a","desiredStatus":"RUNNING"}]`))
		for r.Stats().Connects == 1 {
			_ = p.WriteMessage(websocket.TextMessage, heartbeat("b"))
			time.Sleep(10 * time.Second)
		}
		expect(t, r.service.Peer(), "AckRequest", "m")
		gap := r.service.Gaps()[0]
		if gap < 33*time.Minute || gap > 38*time.Minute+300*time.Millisecond {
			t.Errorf("reconnected after %v", gap)
		}
		close(r.service.Deaf)
	})
}

func TestReconnectDelays(t *testing.T) {
	cases := []struct {
		name     string
		lived    time.Duration
		end      func(*peer)
		min, max time.Duration
	}{
		{"1000 after a while", 70 * time.Second, func(p *peer) { p.End(1000) }, 0, 0},
		{"1001 after a while", 70 * time.Second, func(p *peer) { p.End(1001) }, 0, 0},
		{"1011 after a while", 70 * time.Second, func(p *peer) { p.End(1011) }, 250 * time.Millisecond, 300 * time.Millisecond},
		{"dropped after a while", 70 * time.Second, (*peer).Drop, 250 * time.Millisecond, 300 * time.Millisecond},
		{"1000 at once", 0, func(p *peer) { p.End(1000) }, 0, 0},
		{"dropped at once", 0, (*peer).Drop, 250 * time.Millisecond, 300 * time.Millisecond},
		{"1008", 70 * time.Second, func(p *peer) { p.End(1008) }, 250 * time.Millisecond, 300 * time.Millisecond},
		{"bad frame", 70 * time.Second, func(p *peer) { _, _ = p.NetConn().Write([]byte{0xff, 0xff, 0xff, 0xff}) }, 250 * time.Millisecond, 300 * time.Millisecond},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := start(t)
				p := r.service.Peer()
				for left := c.lived; left > 0; left -= 10 * time.Second {
					p.Send(heartbeat("b"))
					time.Sleep(10 * time.Second)
				}
				c.end(p)
				r.service.Peer()
				if wait := r.service.Gaps()[0] - c.lived; wait < c.min || wait > c.max {
					t.Errorf("reconnected after %v", wait)
				}
			})
		})
	}
}

// The backoff grows while connects fail, and starts over when a connection has lasted.
func TestBackoffStartsOverWhenAConnectionLasts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := start(t, func(_ *Config, s *service) {
			s.Refuse = func(n int, w http.ResponseWriter) bool {
				if n < 10 {
					w.WriteHeader(http.StatusServiceUnavailable)
				}
				return n < 10
			}
		})
		p := r.service.Peer()
		gaps := r.service.Gaps()
		if len(gaps) != 10 || !slices.IsSorted(gaps) || gaps[0] < 250*time.Millisecond || gaps[9] < 9*time.Second {
			t.Errorf("connects after %v", gaps)
		}
		synctest.Wait()
		if stats := r.Stats(); stats.ConnectFailures != 10 || stats.Connects != 1 || !stats.Connected {
			t.Errorf("%+v", stats)
		}
		for range 13 {
			p.Send(heartbeat("b"))
			time.Sleep(10 * time.Second)
		}
		p.End(1008)
		r.service.Peer()
		if wait := r.service.Gaps()[10] - 130*time.Second; wait > 300*time.Millisecond {
			t.Errorf("reconnected after %v", wait)
		}
	})
}

func TestRefusedConnects(t *testing.T) {
	var golden struct {
		RefusedUpgrade []struct{ Body, Error, ErrorPrefix string }
	}
	goldenfile.Read(t, "testdata/frames.json", &golden)
	for _, c := range golden.RefusedUpgrade {
		synctest.Test(t, func(t *testing.T) {
			r := start(t, func(_ *Config, s *service) {
				s.Refuse = func(n int, w http.ResponseWriter) bool {
					w.WriteHeader(http.StatusBadRequest)
					_, _ = w.Write([]byte(c.Body))
					return true
				}
			})
			time.Sleep(time.Second)
			end := r.Stats().LastEnd
			prefix := strings.ReplaceAll(c.ErrorPrefix, "host.example", "acs.test")
			if c.Error != "" && end != c.Error || !strings.HasPrefix(end, prefix) {
				t.Errorf("ended with %s, want %s", end, c.Error)
			}
		})
	}
}

func TestDeregisteredInstance(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var told atomic.Int32
		r := start(t, func(c *Config, s *service) {
			c.Deregistered = func() { told.Add(1) }
			s.Refuse = func(n int, w http.ResponseWriter) bool {
				if n == 0 {
					w.WriteHeader(http.StatusBadRequest)
					_, _ = w.Write([]byte(`{"InactiveInstanceException":"Container instance deregistered"}`))
				}
				return n == 0
			}
		})
		time.Sleep(deregisteredDelay)
		r.service.Peer()
		if told.Load() != 1 {
			t.Errorf("told %d times", told.Load())
		}
		if gap := r.service.Gaps()[0]; gap != time.Hour {
			t.Errorf("connected again after %v", gap)
		}
	})
}

func TestDiscoveryFailures(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := start(t, func(c *Config, _ *service) { c.Endpoints = endpoints{err: errors.New("throttled")} })
		time.Sleep(time.Minute)
		stats := r.Stats()
		if stats.ConnectFailures < 8 || stats.ConnectFailures > 15 || stats.LastEnd != "discover the ACS endpoint: throttled" {
			t.Errorf("%+v", stats)
		}
	})
}

func TestShutdown(t *testing.T) {
	cases := map[string]func(t *testing.T) *running{
		"while connected": func(t *testing.T) *running { r := start(t); r.service.Peer(); return r },
		"while a payload is handled": func(t *testing.T) *running {
			r := start(t)
			r.engine.block = make(chan struct{})
			r.service.Peer().Send(message(`[{"arn":"a","desiredStatus":"RUNNING"}]`))
			return r
		},
		"while waiting to connect again": func(t *testing.T) *running {
			r := start(t, func(c *Config, _ *service) { c.Endpoints = endpoints{err: errors.New("down")} })
			time.Sleep(10 * time.Minute)
			return r
		},
		"in the hour after a deregistration": func(t *testing.T) *running {
			r := start(t, func(c *Config, _ *service) { c.Endpoints = endpoints{err: errors.New("InactiveInstanceException")} })
			time.Sleep(10 * time.Minute)
			return r
		},
		"while dialing": func(t *testing.T) *running {
			return start(t, func(c *Config, s *service) {
				s.Refuse = func(int, http.ResponseWriter) bool { <-s.Closed(); return true }
			})
		},
		"while the service does not read": func(t *testing.T) *running {
			r := start(t)
			p := r.service.Peer()
			for range cap(p.Messages) { // no room: the peer stops reading
				p.Messages <- envelope{}
			}
			for i := range 10 {
				p.Send(heartbeat(fmt.Sprint(i)))
			}
			t.Cleanup(func() {
				for range p.Messages {
				}
			})
			return r
		},
	}
	for name, begin := range cases {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := begin(t)
				synctest.Wait()
				begun := time.Now()
				r.stop()
				if took := time.Since(begun); took != 0 {
					t.Errorf("took %v", took)
				}
			})
		})
	}
}

func TestGarbageAndBigFrames(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := start(t)
		p := r.service.Peer()
		p.Send([]byte("hello"))
		p.Send([]byte(`{"type":"PayloadMessage","message":{"seqNum":"seven"}}`))
		p.Send(frame("FooMessage", "{}"))
		p.Send([]byte(strings.Repeat("{", 1<<20)))
		p.Send([]byte{0, 1, 2, 255})
		_ = p.WriteMessage(websocket.BinaryMessage, heartbeat("binary"))
		expect(t, p, "HeartbeatAckRequest", "binary")
		for _, size := range []int{1 << 20, 4 << 20} {
			one, _ := json.Marshal(map[string]any{
				"messageId": "big", "clusterArn": clusterARN, "containerInstanceArn": instanceARN,
				"tasks": []any{map[string]any{"arn": fmt.Sprint("a", size), "desiredStatus": "RUNNING", "group": strings.Repeat("x", size)}},
			})
			p.Send(frame("PayloadMessage", string(one)))
			expect(t, p, "AckRequest", "big")
			if got, known := r.engine.Task(fmt.Sprint("a", size)); !known || len(got.Group) != size {
				t.Errorf("%d: %t", size, known)
			}
		}
		synctest.Wait()
		if stats := r.Stats(); stats.Unreadable != 5 || stats.Received != 3 || stats.Sent != 3 {
			t.Errorf("%+v", stats)
		}
	})
}

// A worker that is stuck makes the agent drop messages, not memory.
func TestMessagesThatFindNoRoomAreDropped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := start(t)
		r.engine.block = make(chan struct{})
		p := r.service.Peer()
		for i := range 200 {
			p.Send(frame("PayloadMessage", fmt.Sprintf(`{"messageId":"m","clusterArn":"c","containerInstanceArn":"i","tasks":[{"arn":"a%d"}]}`, i)))
			if i == 0 {
				synctest.Wait() // the worker is stuck with this one, and the lane is empty
			}
		}
		p.Send(heartbeat("b"))
		expect(t, p, "HeartbeatAckRequest", "b")
		if dropped := r.Stats().Dropped; dropped != 200-1-laneLimit {
			t.Errorf("%d dropped", dropped)
		}
		close(r.engine.block)
		for range 1 + laneLimit {
			expect(t, p, "AckRequest", "m")
		}
	})
	l := newLane()
	if !l.put(received{size: 100 << 20}) || l.put(received{size: 1}) {
		t.Error("one message of any size has room, and nothing beside it")
	}
}

// A whole conversation, with a reconnect in it.
func TestConversation(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := start(t)
		p := r.service.Peer()
		p.Send(message(`[{"arn":"a","desiredStatus":"RUNNING","roleCredentials":{"credentialsId":"id","expiration":"e"}},{"arn":"b","desiredStatus":"RUNNING"}]`))
		expect(t, p, "AckRequest", "m")
		expect(t, p, "IAMRoleCredentialsAckRequest", "m")
		p.Send(frame("IAMRoleCredentialsMessage", `{"messageId":"c","taskArn":"a","roleType":"TaskApplication","roleCredentials":{"credentialsId":"id","secretAccessKey":"new"}}`))
		expect(t, p, "IAMRoleCredentialsAckRequest", "c")
		p.End(1000)
		p = r.service.Peer()
		p.Send(manifest("manifest", "10", `[{"taskArn":"a","desiredStatus":"RUNNING"}]`))
		expect(t, p, "AckRequest", "manifest")
		expect(t, p, "TaskStopVerificationMessage", "manifest")
		p.Send(frame("TaskStopVerificationAck", `{"messageId":"manifest","stopTasks":[{"taskArn":"b"}]}`))
		p.Send(heartbeat("b"))
		expect(t, p, "HeartbeatAckRequest", "b")
		synctest.Wait()
		same(t, "stopped", r.engine.stopped, []string{"b"})
		if a, _ := r.engine.Task("a"); a.Desired != task.Running {
			t.Error(a.Desired)
		}
	})
}

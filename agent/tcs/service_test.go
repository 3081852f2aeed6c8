package tcs

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/aws/amazon-ecs-agent/agent/logger"
	"github.com/aws/amazon-ecs-agent/agent/logger/loggertest"
	"github.com/aws/amazon-ecs-agent/agent/stats"
	"github.com/aws/amazon-ecs-agent/agent/wsconn"
	"github.com/aws/amazon-ecs-agent/agent/wsconn/wsconntest"
)

func TestMain(m *testing.M) {
	logger.Setup(logger.Options{Driver: &logs})
	goleak.VerifyTestMain(m)
}

// logs is everything the package has logged.
var logs loggertest.Buffer

// received is a request from the agent.
type received struct {
	at      time.Time
	header  string
	Type    string
	Message struct {
		Metadata struct {
			MessageID, RequestID string
			Fin, Idle            bool
		}
		TaskMetrics []struct{ TaskARN string }
		Tasks       []struct{ TaskARN string }
		Statuses    []struct {
			Type, Status                  string
			LastUpdated, LastStatusChange float64
		}
		Timestamp float64
	}
}

type (
	service = wsconntest.Service[received]
	peer    = wsconntest.Peer[received]
)

var acks = map[string]string{kindMetrics: "AckPublishMetric", kindHealth: "AckPublishHealth", kindStatus: "AckPublishInstanceStatus"}

// newService starts a TCS that acknowledges what it gets.
func newService(t *testing.T) *service {
	t.Helper()
	s := wsconntest.Start(t, func(frame []byte) (received, error) {
		request := received{at: time.Now()}
		header, body, found := strings.Cut(string(frame), "\r\n\r\n")
		if !found {
			return received{}, errors.New("no header")
		}
		request.header = header
		err := json.Unmarshal([]byte(body), &request)
		return request, err
	})
	s.Answer = func(r received) []byte { return []byte(`{"type":"` + acks[r.Type] + `","message":{}}`) }
	return s
}

// mute keeps a service from acknowledging and from answering close frames, until the test ends.
func mute(t *testing.T, s *service) {
	s.Answer = nil
	s.Deaf = make(chan struct{})
	t.Cleanup(func() { close(s.Deaf) })
}

// endpoints always gives the same address, or an error.
type endpoints struct{ err error }

func (e endpoints) DiscoverTelemetryEndpoint(_ context.Context, cluster, instance string) (string, error) {
	if cluster != "prod" || instance != instanceARN {
		return "", errors.New("asked for another instance")
	}
	return "http://tcs.test", e.err
}

// source is what there is to report.
type source struct {
	mu      sync.Mutex
	metrics stats.Metrics
	err     error
	health  []stats.TaskHealth
	asked   []bool // for metrics; with those of Service Connect?
}

func (s *source) Metrics(_ context.Context, withServiceConnect bool) (stats.Metrics, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.asked = append(s.asked, withServiceConnect)
	return s.metrics, s.err
}

func (s *source) Health() []stats.TaskHealth {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.health
}

// running is a session under test.
type running struct {
	*Session
	service *service
	source  *source
	began   time.Time
	stop    func() // ends it and waits
}

// start runs a session against a service until the test ends. It has nothing but itself to report: it is idle.
func start(t *testing.T, change ...func(*Config, *service)) *running {
	t.Helper()
	r := &running{service: newService(t), source: &source{metrics: stats.Metrics{Idle: true}}, began: time.Now()}
	config := Config{
		Cluster: "prod", ContainerInstanceARN: instanceARN, AgentVersion: "1.23.4", AgentHash: "ffffffff",
		Endpoints: endpoints{}, Dialer: &wsconn.Dialer{NetDial: r.service.Dial, ErrorTypes: ErrorTypes}, Source: r.source,
		Sign: func(_ context.Context, url string, payload []byte) (http.Header, error) {
			if !strings.HasPrefix(url, "ws://tcs.test/ws?agentHash=ffffffff&") || !bytes.HasPrefix(payload, []byte(`{"type":"Publish`)) {
				t.Errorf("signed %s %s", url, payload)
			}
			return http.Header{"Authorization": {"signed"}}, nil
		},
	}
	for _, c := range change {
		c(&config, r.service)
	}
	r.Session = New(config)
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		if err := r.Run(ctx); err != nil {
			t.Error(err)
		}
	}()
	r.stop = func() { cancel(); <-ended }
	t.Cleanup(r.stop)
	return r
}

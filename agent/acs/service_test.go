package acs

import (
	"context"
	"encoding/json"
	"errors"
	"testing"

	"github.com/aws/amazon-ecs-agent/agent/credentials"
	"github.com/aws/amazon-ecs-agent/agent/wsconn"
	"github.com/aws/amazon-ecs-agent/agent/wsconn/wsconntest"
)

type (
	service = wsconntest.Service[envelope]
	peer    = wsconntest.Peer[envelope]
)

func newService(t *testing.T) *service {
	t.Helper()
	return wsconntest.Start(t, func(frame []byte) (e envelope, err error) {
		err = json.Unmarshal(frame, &e)
		return e, err
	})
}

// expect checks the type of the next message from the agent and a member of it.
func expect(t *testing.T, p *peer, kind, messageID string) {
	t.Helper()
	e := p.Receive()
	var m struct{ MessageID string }
	if err := json.Unmarshal(e.Message, &m); err != nil || e.Type != kind || m.MessageID != messageID {
		t.Errorf("the agent sent %s %s, want %s of message %s", e.Type, e.Message, kind, messageID)
	}
}

func heartbeat(id string) []byte { return frame("HeartbeatMessage", `{"messageId":"`+id+`"}`) }

// endpoints always gives the same address, or an error.
type endpoints struct{ err error }

func (e endpoints) DiscoverPollEndpoint(_ context.Context, cluster, instance string) (string, error) {
	if cluster != "default" || instance != instanceARN {
		return "", errors.New("asked for another instance")
	}
	return "http://acs.test", e.err
}

// running is a session under test.
type running struct {
	*Session
	service  *service
	engine   *fakeEngine
	manifest *fakeManifest
	stop     func() // ends it and waits
}

// start runs a session against a service until the test ends.
func start(t *testing.T, change ...func(*Config, *service)) *running {
	t.Helper()
	r := &running{service: newService(t), engine: &fakeEngine{}, manifest: &fakeManifest{seq: -1}}
	config := Config{
		Cluster: "default", ContainerInstanceARN: instanceARN, AgentVersion: "1.23.4", AgentHash: "ffffffff",
		Endpoints: endpoints{}, Dialer: &wsconn.Dialer{NetDial: r.service.Dial, ErrorTypes: ErrorTypes},
		Engine: r.engine, Credentials: &credentials.Store{}, Manifest: r.manifest,
	}
	for _, c := range change {
		c(&config, r.service)
	}
	if config.Engine != r.engine {
		r.engine = nil
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

//go:build e2e

package e2e

import (
	"errors"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/aws/amazon-ecs-agent/misc/e2e/rig"
)

func TestSpoiledConversation(t *testing.T) {
	h := newHost(t)
	h.start()
	d := h.register(oneContainer("serve"))
	old := h.runTask(d)
	h.await("RUNNING", old)

	tests := []struct {
		name   string
		faults []rig.Fault
		hits   bool   // carried out at once on a connection
		log    string // what an operator finds in the agent's log
	}{
		{"connection cut", []rig.Fault{{"operation": "ACS", "action": "drop"}}, true, ""},
		{"closed normally", []rig.Fault{{"operation": "ACS", "action": "drop", "code": 1000, "text": "bye"}}, true, ""},
		{"closed for going away", []rig.Fault{{"operation": "ACS", "action": "drop", "code": 1001}}, true, ""},
		{"closed with an odd code", []rig.Fault{{"operation": "ACS", "action": "drop", "code": 4000, "text": "odd"}}, true, "odd"},
		{"refused, then cut", []rig.Fault{
			{"operation": "ACS", "action": "refuse", "status": 500, "errorType": "ServerException", "errorText": "not now", "times": 3},
			{"operation": "ACS", "action": "drop"}}, true, "not now"},
		{"no answer to discovery, then cut", []rig.Fault{
			{"operation": "DiscoverPollEndpoint", "action": "500", "times": 2},
			{"operation": "ACS", "action": "drop"}}, true, ""},
		{"frame that is no JSON", []rig.Fault{{"operation": "ACS", "action": "frame", "text": "{not json"}}, true, "Could not decode message"},
		{"frame of 1 MiB", []rig.Fault{{"operation": "ACS", "action": "frame", "size": 1 << 20}}, true, ""},
		{"binary frame", []rig.Fault{{"operation": "ACS", "action": "frame", "base64": "AAECAwQ=", "binary": true}}, true, ""},
		{"empty frame", []rig.Fault{{"operation": "ACS", "action": "frame", "text": ""}}, true, ""},
		{"unknown message type", []rig.Fault{{"operation": "ACS", "action": "message", "messageType": "SurpriseMessage", "message": map[string]any{"a": 1}}}, true, "SurpriseMessage"},
		{"known type, odd members", []rig.Fault{{"operation": "ACS", "action": "message", "messageType": "PayloadMessage", "message": map[string]any{"tasks": "none"}}}, true, ""},
		{"throttled reports", []rig.Fault{{"operation": "Submit*", "action": "throttle", "times": 5}}, false, ""},
		{"lost answers", []rig.Fault{{"operation": "Submit*", "action": "drop", "after": true, "times": 3}}, false, ""},
	}
	for _, tc := range tests {
		t.Run(tc.name, func(t *testing.T) {
			h := h.within(t)
			hit, err := h.Spoil(h.ctx(), tc.faults...)
			h.must(err)
			if tc.hits && hit != 1 {
				t.Fatalf("hit %d connections, want 1", hit)
			}
			arn := h.runWhenConnected(d)
			h.await("RUNNING", arn)
			h.must(h.Heal(h.ctx()))
			h.must(h.Stop(h.ctx(), arn, "next"))
			h.await("STOPPED", arn)
			h.await("RUNNING", old)
			if !h.logged(tc.log) {
				t.Errorf("the agent's log does not say %q", tc.log)
			}
		})
	}
	h.noRegressions()
}

// TestSilentService mutes the service: neither heartbeats nor messages arrive, the connection stays open. The agent gives
// up on it after one to two minutes.
func TestSilentService(t *testing.T) {
	if testing.Short() {
		t.Skip("takes two minutes")
	}
	h := newHost(t)
	h.start()
	d := h.register(oneContainer("serve"))
	old := h.runTask(d)
	h.await("RUNNING", old)
	_, err := h.Spoil(h.ctx(), rig.Fault{"operation": "ACS", "action": "mute"})
	h.must(err)
	arn := h.runTask(d)
	silence := time.Now()
	for !h.logged("nothing came from ACS") {
		if time.Since(silence) > 150*time.Second {
			t.Fatal("the agent has not noticed")
		}
		h.stays(500 * time.Millisecond)
	}
	t.Logf("noticed after %v", time.Since(silence).Round(time.Second))
	h.must(h.Heal(h.ctx()))
	h.await("RUNNING", old, arn)
	h.noRegressions()
}

// runWhenConnected starts a task as soon as the service can place it: not while the agent is disconnected.
func (h *host) runWhenConnected(definition string) (arn string) {
	h.t.Helper()
	h.poll("the agent to be connected again", func() (bool, error) {
		var err error
		arn, err = h.Run(h.ctx(), definition, nil)
		if refusal := (*rig.APIError)(nil); errors.As(err, &refusal) {
			return false, err
		}
		return err == nil, nil
	})
	return arn
}

// within is the same host for a part of the test.
func (h *host) within(t *testing.T) *host {
	part := *h
	part.t = t
	return &part
}

// logged reports whether the agent's log contains text.
func (h *host) logged(text string) bool {
	h.t.Helper()
	log, err := os.ReadFile(h.agent.Log)
	h.must(err)
	return strings.Contains(string(log), text)
}

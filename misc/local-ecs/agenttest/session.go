package agenttest

import (
	"encoding/json"
	"errors"

	"github.com/gorilla/websocket"

	"github.com/aws/amazon-ecs-agent/misc/local-ecs/internal/acsmsg"
)

func (a *Agent) read(conn *websocket.Conn, done chan struct{}) {
	defer close(done)
	for {
		_, frame, err := conn.ReadMessage()
		if err != nil {
			a.mu.Lock()
			a.closed = err
			a.mu.Unlock()
			return
		}
		e, err := acsmsg.Decode(frame)
		if err != nil {
			e = acsmsg.Envelope{Type: "?", Message: frame}
		}
		a.mu.Lock()
		a.received = append(a.received, e)
		a.mu.Unlock()
		if err := a.handle(conn, e); err != nil && !errors.Is(err, websocket.ErrCloseSent) {
			a.t.Logf("agent: %s: %v", e.Type, err)
		}
	}
}

func (a *Agent) handle(conn *websocket.Conn, e acsmsg.Envelope) error {
	if a.muted(e.Type) {
		return nil
	}
	send := func(kind string, m any) error {
		b, err := acsmsg.Encode(kind, m)
		if err != nil {
			return err
		}
		a.mu.Lock()
		defer a.mu.Unlock()
		return conn.WriteMessage(websocket.TextMessage, b)
	}
	switch e.Type {
	case acsmsg.TypeHeartbeat:
		var m acsmsg.Heartbeat
		json.Unmarshal(e.Message, &m)
		return send(acsmsg.TypeHeartbeatAck, acsmsg.HeartbeatAck{MessageID: m.MessageID})
	case acsmsg.TypeCredentials:
		var m acsmsg.Credentials
		json.Unmarshal(e.Message, &m)
		return send(acsmsg.TypeCredentialsAck, acsmsg.CredentialsAck{MessageID: m.MessageID, Expiration: m.RoleCredentials.Expiration, CredentialsID: m.RoleCredentials.CredentialsID})
	case acsmsg.TypeManifest:
		return a.manifest(e, send)
	case acsmsg.TypeStopVerificationAck:
		var m acsmsg.StopVerificationAck
		json.Unmarshal(e.Message, &m)
		a.mu.Lock()
		for _, t := range m.StopTasks {
			if known := a.tasks[t.TaskArn]; known != nil {
				known.DesiredStatus = "STOPPED"
			}
		}
		a.mu.Unlock()
	case acsmsg.TypePayload:
		return a.payload(e, send)
	case acsmsg.TypeAttachENI, acsmsg.TypeAttachInstanceENI:
		var m acsmsg.AttachENI
		json.Unmarshal(e.Message, &m)
		if err := send(acsmsg.TypeAck, acsmsg.Ack{Cluster: m.ClusterArn, ContainerInstance: m.ContainerInstanceArn, MessageID: m.MessageID}); err != nil || a.Manual {
			return err
		}
		a.Attached(&m)
	}
	return nil
}

// Attached reports that the interfaces of a message are there.
func (a *Agent) Attached(m *acsmsg.AttachENI) {
	for _, e := range m.ElasticNetworkInterfaces {
		in := map[string]any{"cluster": a.Cluster, "attachments": []map[string]any{{"attachmentArn": e.AttachmentArn, "status": "ATTACHED"}}}
		operation := "SubmitAttachmentStateChanges"
		if m.TaskArn != "" {
			in["task"], operation = m.TaskArn, "SubmitTaskStateChange"
		}
		if err := Call(a.Endpoint, operation, in, nil); err != nil {
			a.t.Errorf("report of an interface: %v", err)
		}
	}
}

func (a *Agent) muted(kind string) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.Mute[kind]
}

// SetMute changes Mute while connected.
func (a *Agent) SetMute(kind string, mute bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.Mute[kind] = mute
}

func (a *Agent) manifest(e acsmsg.Envelope, send func(string, any) error) error {
	var m acsmsg.Manifest
	if err := json.Unmarshal(e.Message, &m); err != nil {
		return err
	}
	if err := send(acsmsg.TypeAck, acsmsg.Ack{Cluster: m.ClusterArn, ContainerInstance: m.ContainerInstanceArn, MessageID: m.MessageID}); err != nil {
		return err
	}
	wanted := map[string]bool{}
	for _, t := range m.Tasks {
		wanted[t.TaskArn] = t.DesiredStatus == "RUNNING"
	}
	v := acsmsg.StopVerification{MessageID: m.MessageID}
	a.mu.Lock()
	for arn, t := range a.tasks {
		if t.DesiredStatus == "RUNNING" && !wanted[arn] {
			v.StopCandidates = append(v.StopCandidates, acsmsg.TaskIdentifier{TaskArn: arn, TaskClusterArn: m.ClusterArn, DesiredStatus: "STOPPED"})
		}
	}
	a.mu.Unlock()
	if len(v.StopCandidates) == 0 {
		return nil
	}
	return send(acsmsg.TypeStopVerification, v)
}

func (a *Agent) payload(e acsmsg.Envelope, send func(string, any) error) error {
	var m acsmsg.Payload
	if err := json.Unmarshal(e.Message, &m); err != nil {
		return err
	}
	for i := range m.Tasks {
		t := &m.Tasks[i]
		a.mu.Lock()
		known := a.tasks[t.Arn]
		a.tasks[t.Arn] = t
		a.mu.Unlock()
		if a.Manual {
			continue
		}
		if t.DesiredStatus == "RUNNING" && known == nil {
			a.Report(t.Arn, "RUNNING", nil)
		}
		if t.DesiredStatus == "STOPPED" {
			code := 137
			a.Report(t.Arn, "STOPPED", &code)
		}
	}
	return send(acsmsg.TypeAck, acsmsg.Ack{Cluster: m.ClusterArn, ContainerInstance: m.ContainerInstanceArn, MessageID: m.MessageID})
}

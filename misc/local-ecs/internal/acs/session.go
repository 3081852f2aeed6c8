package acs

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/gorilla/websocket"

	"github.com/aws/amazon-ecs-agent/misc/local-ecs/internal/acsmsg"
	"github.com/aws/amazon-ecs-agent/misc/local-ecs/internal/control"
	"github.com/aws/amazon-ecs-agent/misc/local-ecs/internal/ecs"
	"github.com/aws/amazon-ecs-agent/misc/local-ecs/internal/state"
)

// writeLimit bounds one write to an agent.
const writeLimit = 10 * time.Second

// session is one connection of one agent. Its loop owns everything below conn; only read runs beside it.
//
//	manifest ──▶ credentials (when asked for) ──▶ payloads, heartbeats, refreshed credentials … ──▶ close
type session struct {
	hub             *Hub
	instance        string
	instanceArn     string
	cluster         string // name or ARN, as the agent writes it
	sendCredentials bool
	closesItself    bool // protocol version 1: the agent watches the heartbeats, the service does not
	cancel          context.CancelCauseFunc
	commands        chan func(*session)
	log             *slog.Logger

	conn        *websocket.Conn
	sent        map[string]*delivery     // unacknowledged payloads by message id
	announced   map[string]string        // task id → desired status sent last in this session
	credentials map[string]*renewal      // unacknowledged or due credentials by credentials id
	interfaces  map[string]*announcement // of network interfaces, by attachment id
	manifest    string                   // message id of the manifest
	missed      int                      // heartbeats without an answer
}

// delivery is a payload that waits for its acknowledgement.
type delivery struct {
	frame  []byte
	tasks  map[string]delivered // by task id
	resend time.Time
}

// delivered is what a payload says about one task.
type delivered struct {
	desired              string
	expires, execExpires ecs.Time // of the credentials in it
}

// run plays the session until the connection ends or ctx is cancelled.
func (s *session) run(ctx context.Context) {
	s.sent, s.announced, s.credentials, s.interfaces = map[string]*delivery{}, map[string]string{}, map[string]*renewal{}, map[string]*announcement{}
	frames := make(chan []byte)
	ended := make(chan error, 1)
	var reader sync.WaitGroup
	reader.Go(func() { ended <- s.read(ctx, frames) })
	defer reader.Wait()
	defer s.conn.Close()
	defer s.cancel(nil)

	changed, stop := s.hub.Store.Watch()
	defer stop()
	heartbeat := time.NewTicker(s.hub.Heartbeat)
	defer heartbeat.Stop()
	check := time.NewTicker(max(s.hub.Redeliver/2, time.Millisecond))
	defer check.Stop()
	var lifetime <-chan time.Time
	if s.hub.Lifetime > 0 {
		t := time.NewTimer(s.hub.Lifetime)
		defer t.Stop()
		lifetime = t.C
	}

	s.log.Info("agent connected", "sendCredentials", s.sendCredentials)
	s.sendManifest()
	if s.sendCredentials {
		s.renewAll()
	}
	s.announceInterfaces()
	s.deliver()
	for {
		select {
		case <-ctx.Done():
			s.end(context.Cause(ctx), ended)
			return
		case err := <-ended:
			s.log.Info("agent disconnected", "reason", endText(err))
			return
		case frame := <-frames:
			s.receive(frame)
		case <-changed:
			s.announceInterfaces()
			s.deliver()
		case <-check.C:
			s.announceInterfaces()
			s.redeliver()
			s.renew()
		case <-heartbeat.C:
			s.beat()
		case <-lifetime:
			s.closeWith(websocket.CloseNormalClosure, "ConnectionExpired: Reconnect to continue")
			s.awaitEnd(ended)
			s.log.Info("agent disconnected", "reason", "maximum connection age reached")
			return
		case command := <-s.commands:
			command(s)
		}
	}
}

// end closes the connection for the service's own reason.
func (s *session) end(cause error, ended <-chan error) {
	switch {
	case errors.Is(cause, errShutdown):
		s.closeWith(websocket.CloseGoingAway, cause.Error())
		s.awaitEnd(ended)
	case errors.Is(cause, errDeregistered):
		s.send(acsmsg.TypeClose, acsmsg.Close{Message: cause.Error()})
		s.closeWith(websocket.CloseNormalClosure, cause.Error())
		s.awaitEnd(ended)
	}
	s.log.Info("agent disconnected", "reason", cause)
}

// awaitEnd gives the agent a moment to answer a close frame.
func (s *session) awaitEnd(ended <-chan error) {
	select {
	case <-ended:
	case <-time.After(time.Second):
	}
}

func endText(err error) string {
	if c := (*websocket.CloseError)(nil); errors.As(err, &c) {
		return c.Error()
	}
	return err.Error()
}

// read hands every frame to the loop and returns the error that ended the connection.
func (s *session) read(ctx context.Context, frames chan<- []byte) error {
	for {
		_, data, err := s.conn.ReadMessage()
		if err != nil {
			return err
		}
		select {
		case frames <- data:
		case <-ctx.Done():
			// Go on reading: the close answer is still to come.
		}
	}
}

func (s *session) write(kind int, data []byte) {
	s.conn.SetWriteDeadline(time.Now().Add(writeLimit))
	if err := s.conn.WriteMessage(kind, data); err != nil {
		s.log.Warn("write to agent failed", "error", err)
		s.conn.Close() // ends the reader, and so the session
	}
}

func (s *session) closeWith(code int, text string) {
	s.conn.WriteControl(websocket.CloseMessage, websocket.FormatCloseMessage(code, text), time.Now().Add(writeLimit))
}

// send writes one message and returns its frame.
func (s *session) send(kind string, message any) []byte {
	frame, err := acsmsg.Encode(kind, message)
	if err != nil {
		s.log.Error("message not encoded", "type", kind, "error", err)
		return nil
	}
	s.sendFrame(kind, frame)
	return frame
}

func (s *session) sendFrame(kind string, frame []byte) {
	if s.hub.Faults != nil && s.hub.Faults.Muted(s.instance, kind) {
		return
	}
	s.log.Debug("ACS message sent", "type", kind, "bytes", len(frame))
	s.write(websocket.TextMessage, frame)
}

func (s *session) beat() {
	if s.missed >= missedHeartbeats && !s.closesItself {
		s.log.Warn("heartbeats unanswered, closing the connection", "missed", s.missed)
		s.closeWith(websocket.CloseGoingAway, "HeartbeatTimeout: no acknowledgement")
		s.conn.Close()
		return
	}
	s.missed++
	s.send(acsmsg.TypeHeartbeat, acsmsg.Heartbeat{MessageID: control.NewUUID(), Healthy: true})
}

func (s *session) receive(frame []byte) {
	e, err := acsmsg.Decode(frame)
	if err != nil {
		s.log.Warn("message from agent ignored", "error", err)
		return
	}
	s.log.Debug("ACS message received", "type", e.Type)
	var v any
	switch e.Type {
	case acsmsg.TypeAck:
		v = new(acsmsg.Ack)
	case acsmsg.TypeHeartbeatAck:
		v = new(acsmsg.HeartbeatAck)
	case acsmsg.TypeCredentialsAck:
		v = new(acsmsg.CredentialsAck)
	case acsmsg.TypeStopVerification:
		v = new(acsmsg.StopVerification)
	case acsmsg.TypeNack:
		v = new(acsmsg.Nack)
	default:
		s.log.Warn("message of unknown type from agent ignored", "type", e.Type)
		return
	}
	if err := json.Unmarshal(e.Message, v); err != nil {
		s.log.Warn("message from agent ignored", "type", e.Type, "error", err)
		return
	}
	switch m := v.(type) {
	case *acsmsg.Ack:
		s.acked(m.MessageID)
	case *acsmsg.HeartbeatAck:
		s.missed = 0
	case *acsmsg.CredentialsAck:
		s.renewed(m)
	case *acsmsg.StopVerification:
		s.verifyStop(m)
	case *acsmsg.Nack:
		s.log.Warn("agent refused a message", "message", m.MessageID, "reason", m.Reason)
	}
}

// sequence takes the next number of the instance's row.
func (s *session) sequence(also func(tx *state.Tx)) (int64, error) {
	var n int64
	err := s.hub.Store.Update(func(tx *state.Tx) error {
		i := tx.Instances.Get(s.instance)
		if i == nil {
			return errDeregistered
		}
		i = i.Clone()
		i.Sequence++
		n = i.Sequence
		tx.Instances.Put(i.ID, i)
		also(tx)
		return nil
	})
	return n, err
}

// sendManifest tells the agent all tasks the service knows on the instance, so that others can go.
func (s *session) sendManifest() {
	m := acsmsg.Manifest{MessageID: control.NewUUID(), ClusterArn: s.cluster, ContainerInstanceArn: s.instanceArn, GeneratedAt: s.hub.Now().UnixMilli(), Tasks: []acsmsg.TaskIdentifier{}}
	n, err := s.sequence(func(tx *state.Tx) {
		for _, t := range tx.TasksOn(s.instance) {
			m.Tasks = append(m.Tasks, acsmsg.TaskIdentifier{TaskArn: t.TaskArn, TaskClusterArn: t.ClusterArn, DesiredStatus: t.DesiredStatus})
		}
	})
	if err != nil {
		s.log.Error("task manifest not sent", "error", err)
		return
	}
	m.Timeline = n
	s.manifest = m.MessageID
	s.send(acsmsg.TypeManifest, m)
}

// verifyStop answers which of the agent's surplus tasks must stop: those the service does not want running there.
func (s *session) verifyStop(m *acsmsg.StopVerification) {
	ack := acsmsg.StopVerificationAck{MessageID: m.MessageID, GeneratedAt: s.hub.Now().UnixMilli(), StopTasks: []acsmsg.TaskIdentifier{}}
	if m.MessageID != s.manifest {
		s.log.Warn("stop verification for an old manifest ignored", "message", m.MessageID)
		return
	}
	s.hub.Store.View(func(tx *state.Tx) {
		for _, c := range m.StopCandidates {
			_, id, _ := ecs.LastPart("task", c.TaskArn)
			t := tx.Tasks.Get(id)
			if t == nil || t.InstanceID != s.instance || !t.Live() || t.DesiredStatus == ecs.Stopped {
				c.DesiredStatus = ecs.Stopped
				ack.StopTasks = append(ack.StopTasks, c)
			}
		}
	})
	s.log.Info("surplus tasks of the agent checked", "candidates", len(m.StopCandidates), "stop", len(ack.StopTasks))
	s.send(acsmsg.TypeStopVerificationAck, ack)
}

// Package acs plays the service's side of the agent communication service: one websocket session for each container
// instance, over which tasks, credentials, manifests and heartbeats go out and acknowledgements come in.
package acs

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/gorilla/websocket"

	"github.com/aws/amazon-ecs-agent/misc/local-ecs/internal/ecs"
	"github.com/aws/amazon-ecs-agent/misc/local-ecs/internal/payload"
	"github.com/aws/amazon-ecs-agent/misc/local-ecs/internal/state"
)

// Options are the timers of a session.
type Options struct {
	Heartbeat time.Duration // between heartbeats
	Redeliver time.Duration // after which something unacknowledged is sent again
	Lifetime  time.Duration // after which the service closes a connection; 0 never
}

// missedHeartbeats is how many heartbeats may stay unanswered before the service closes the connection.
const missedHeartbeats = 3

// Faults can spoil connections for tests.
type Faults interface {
	// RefuseConnect tells whether to refuse this connection, and with which answer.
	RefuseConnect(instanceID string) (status int, body any, refuse bool)
	// Muted tells whether messages of this type to this instance must not be sent.
	Muted(instanceID, messageType string) bool
}

// Hub holds the sessions of all agents. It is an http.Handler for the websocket address.
type Hub struct {
	Store    *state.Store
	Renderer *payload.Renderer
	Now      func() time.Time
	Log      *slog.Logger
	Faults   Faults // may be nil
	Options

	mu       sync.Mutex
	sessions map[string]*session // by instance id
	closed   bool
	wg       sync.WaitGroup
}

var upgrader = websocket.Upgrader{
	ReadBufferSize:  4096,
	WriteBufferSize: 32768,
	// Agents send no Origin; a browser does, and has no business here.
	CheckOrigin: func(r *http.Request) bool { return r.Header.Get("Origin") == "" },
}

// maxFrame bounds what an agent may send in one message.
const maxFrame = 16 << 20

// ServeHTTP accepts an agent's connection and runs its session to the end.
func (h *Hub) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	instance, refusal := h.instance(q.Get("clusterArn"), q.Get("containerInstanceArn"))
	if refusal != nil {
		h.Log.Warn("ACS connection refused", "instance", q.Get("containerInstanceArn"), "error", refusal)
		refuse(w, http.StatusBadRequest, map[string]string{refusal.Type: refusal.Message})
		return
	}
	if h.Faults != nil {
		if status, body, no := h.Faults.RefuseConnect(instance.ID); no {
			h.Log.Warn("ACS connection refused by a fault rule", "instance", short(instance.ID), "status", status)
			refuse(w, status, body)
			return
		}
	}
	conn, err := upgrader.Upgrade(w, r, nil)
	if err != nil {
		h.Log.Warn("ACS upgrade failed", "instance", short(instance.ID), "error", err)
		return
	}
	conn.SetReadLimit(maxFrame)
	s := &session{
		hub:             h,
		instance:        instance.ID,
		instanceArn:     instance.ContainerInstanceArn,
		cluster:         q.Get("clusterArn"),
		conn:            conn,
		sendCredentials: q.Get("sendCredentials") == "true",
		closesItself:    q.Get("protocolVersion") == "1" || q.Get("protocolVersion") == "",
		commands:        make(chan func(*session)),
		log:             h.Log.With("instance", short(instance.ID)),
	}
	ctx, ok := h.add(s)
	if !ok {
		conn.Close()
		return
	}
	defer h.remove(s)
	h.noteVersion(instance.ID, ecs.VersionInfo{AgentVersion: q.Get("agentVersion"), AgentHash: q.Get("agentHash"), DockerVersion: q.Get("dockerVersion")})
	s.run(ctx)
}

func refuse(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	json.NewEncoder(w).Encode(body)
}

// instance finds the instance that connects, or tells why it may not.
func (h *Hub) instance(cluster, arn string) (i *state.Instance, refusal *ecs.Error) {
	_, name, okCluster := ecs.LastPart("cluster", cluster)
	_, id, okInstance := ecs.LastPart("container-instance", arn)
	h.Store.View(func(tx *state.Tx) {
		switch {
		case !okCluster || tx.Clusters.Get(name) == nil:
			refusal = ecs.Errorf("InvalidClusterException", "Cluster not found.")
		case !okInstance || tx.Instances.Get(id) == nil || tx.Instances.Get(id).ClusterName != name:
			refusal = ecs.Errorf("InvalidInstanceException", "Container instance not found.")
		case tx.Instances.Get(id).Status == ecs.Inactive:
			refusal = ecs.Errorf("InactiveInstanceException", "The container instance is inactive.")
		default:
			i = tx.Instances.Get(id)
		}
	})
	return i, refusal
}

func (h *Hub) noteVersion(id string, v ecs.VersionInfo) {
	err := h.Store.Update(func(tx *state.Tx) error {
		i := tx.Instances.Get(id)
		if i == nil {
			return nil
		}
		i = i.Clone()
		i.VersionInfo = v
		i.Version++
		tx.Instances.Put(id, i)
		return nil
	})
	if err != nil {
		h.Log.Error("agent version not saved", "error", err)
	}
}

// add makes s the session of its instance; an older one ends.
func (h *Hub) add(s *session) (context.Context, bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closed {
		return nil, false
	}
	if h.sessions == nil {
		h.sessions = map[string]*session{}
	}
	if old := h.sessions[s.instance]; old != nil {
		old.cancel(errReplaced)
	}
	ctx, cancel := context.WithCancelCause(context.Background())
	s.cancel = cancel
	h.sessions[s.instance] = s
	h.wg.Add(1)
	return ctx, true
}

func (h *Hub) remove(s *session) {
	h.mu.Lock()
	if h.sessions[s.instance] == s {
		delete(h.sessions, s.instance)
	}
	h.mu.Unlock()
	s.cancel(nil)
	h.wg.Done()
}

// Connected tells whether the agent of an instance holds a session.
func (h *Hub) Connected(instanceID string) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.sessions[instanceID] != nil
}

// Reasons for which the service ends a session.
var (
	errReplaced     = errors.New("replaced by a newer connection")
	errShutdown     = errors.New("local-ecs shuts down")
	errDeregistered = errors.New("container instance deregistered")
	errDropped      = errors.New("dropped by a fault")
)

// Deregistered ends the session of an instance that left its cluster.
func (h *Hub) Deregistered(instanceID string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if s := h.sessions[instanceID]; s != nil {
		s.cancel(errDeregistered)
	}
}

// Close ends all sessions and waits for them.
func (h *Hub) Close() {
	h.mu.Lock()
	h.closed = true
	for _, s := range h.sessions {
		s.cancel(errShutdown)
	}
	h.mu.Unlock()
	h.wg.Wait()
}

// each runs command in the sessions of one instance, or of all when instanceID is empty, and returns their number.
func (h *Hub) each(instanceID string, command func(*session)) int {
	h.mu.Lock()
	var chosen []*session
	for id, s := range h.sessions {
		if instanceID == "" || id == instanceID {
			chosen = append(chosen, s)
		}
	}
	h.mu.Unlock()
	n := 0
	for _, s := range chosen {
		select {
		case s.commands <- command:
			n++
		case <-time.After(5 * time.Second): // the session is ending
		}
	}
	return n
}

// Drop ends connections: with a close frame of that code, or, code 0, by cutting TCP. It returns how many.
func (h *Hub) Drop(instanceID string, code int, text string) int {
	return h.each(instanceID, func(s *session) {
		if code != 0 {
			s.closeWith(code, text)
		}
		s.cancel(errDropped)
	})
}

// SendFrame sends raw bytes as a text or binary frame and returns to how many sessions. In text, ${cluster} and
// ${containerInstance} become what the agent calls them.
func (h *Hub) SendFrame(instanceID string, binary bool, data []byte) int {
	kind := websocket.TextMessage
	if binary {
		kind = websocket.BinaryMessage
	}
	return h.each(instanceID, func(s *session) {
		if binary {
			s.write(kind, data)
			return
		}
		s.write(kind, []byte(strings.NewReplacer("${cluster}", s.cluster, "${containerInstance}", s.instanceArn).Replace(string(data))))
	})
}

func short(id string) string {
	if len(id) > 12 {
		return id[:12]
	}
	return id
}

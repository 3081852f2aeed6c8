// Package telemetry plays the service's side of the telemetry session (TCS): it acknowledges metrics, container health
// and instance status, keeps health for the Describe operations, what tasks use, and the newest message of each kind for a
// look at it.
package telemetry

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"github.com/gorilla/websocket"

	"github.com/aws/amazon-ecs-agent/misc/local-ecs/internal/control"
	"github.com/aws/amazon-ecs-agent/misc/local-ecs/internal/ecs"
	"github.com/aws/amazon-ecs-agent/misc/local-ecs/internal/state"
)

// Hub accepts the telemetry connections of all agents. It is an http.Handler for the websocket address.
type Hub struct {
	Store     *state.Store
	Control   *control.Control
	Log       *slog.Logger
	Heartbeat time.Duration

	mu     sync.Mutex
	conns  map[*websocket.Conn]string // value: instance id
	newest map[string]map[string]Message
	usage  map[string]Usage // by task ARN
	closed bool
	wg     sync.WaitGroup
}

// Message is the newest message of one kind of one instance.
type Message struct {
	Count   int             `json:"count"`
	At      ecs.Time        `json:"at"`
	Message json.RawMessage `json:"message"`
}

var upgrader = websocket.Upgrader{
	ReadBufferSize:  4096,
	WriteBufferSize: 4096,
	CheckOrigin:     func(r *http.Request) bool { return r.Header.Get("Origin") == "" },
}

// A request may have 1 MiB; the signed headers come on top.
const maxFrame = 4 << 20

const writeLimit = 10 * time.Second

// ServeHTTP accepts one connection and serves it to its end.
func (h *Hub) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	_, id, ok := ecs.LastPart("container-instance", r.URL.Query().Get("containerInstance"))
	h.Store.View(func(tx *state.Tx) {
		i := tx.Instances.Get(id)
		ok = ok && i != nil && i.Status != ecs.Inactive
	})
	if !ok {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusBadRequest)
		json.NewEncoder(w).Encode(map[string]string{"InvalidParameterException": "containerInstance is not a registered container instance."})
		return
	}
	conn, err := upgrader.Upgrade(w, r, nil)
	if err != nil {
		h.Log.Warn("TCS upgrade failed", "error", err)
		return
	}
	conn.SetReadLimit(maxFrame)
	if !h.add(conn, id) {
		conn.Close()
		return
	}
	defer h.remove(conn)
	h.serve(conn, id)
}

func (h *Hub) add(c *websocket.Conn, id string) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closed {
		return false
	}
	if h.conns == nil {
		h.conns, h.newest = map[*websocket.Conn]string{}, map[string]map[string]Message{}
	}
	h.conns[c] = id
	h.wg.Add(1)
	return true
}

func (h *Hub) remove(c *websocket.Conn) {
	c.Close()
	h.mu.Lock()
	delete(h.conns, c)
	h.mu.Unlock()
	h.wg.Done()
}

// Close ends all connections and waits for them.
func (h *Hub) Close() {
	h.mu.Lock()
	h.closed = true
	for c := range h.conns {
		c.WriteControl(websocket.CloseMessage, websocket.FormatCloseMessage(websocket.CloseGoingAway, "local-ecs shuts down"), time.Now().Add(writeLimit))
		c.Close()
	}
	h.mu.Unlock()
	h.wg.Wait()
}

// Drop cuts the telemetry connections of one instance, or of all, and returns how many.
func (h *Hub) Drop(instanceID string) int {
	h.mu.Lock()
	defer h.mu.Unlock()
	n := 0
	for c, id := range h.conns {
		if instanceID == "" || instanceID == id {
			c.Close()
			n++
		}
	}
	return n
}

// Newest returns the newest message of each kind, by instance.
func (h *Hub) Newest() map[string]map[string]Message {
	h.mu.Lock()
	defer h.mu.Unlock()
	out := map[string]map[string]Message{}
	for id, kinds := range h.newest {
		out[id] = map[string]Message{}
		for k, m := range kinds {
			out[id][k] = m
		}
	}
	return out
}

func (h *Hub) serve(conn *websocket.Conn, id string) {
	ctx, cancel := context.WithCancel(context.Background())
	var writing sync.Mutex
	write := func(kind string, message any) error {
		writing.Lock()
		defer writing.Unlock()
		conn.SetWriteDeadline(time.Now().Add(writeLimit))
		return conn.WriteJSON(map[string]any{"type": kind, "message": message})
	}
	var beat sync.WaitGroup
	beat.Go(func() {
		tick := time.NewTicker(h.Heartbeat)
		defer tick.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
				if write("HeartbeatMessage", map[string]bool{"healthy": true}) != nil {
					conn.Close()
					return
				}
			}
		}
	})
	defer beat.Wait()
	defer cancel()
	for {
		_, frame, err := conn.ReadMessage()
		if err != nil {
			h.Log.Debug("telemetry connection ended", "instance", id[:min(12, len(id))], "reason", err)
			return
		}
		ack, err := h.receive(id, frame)
		if err != nil {
			h.Log.Warn("telemetry message refused", "instance", id[:min(12, len(id))], "error", err)
			err = write("BadRequestException", map[string]string{"message": err.Error()})
		} else {
			err = write(ack, map[string]string{"message": "ok"})
		}
		if err != nil {
			return
		}
	}
}

// acks are the answers to the requests.
var acks = map[string]string{
	"PublishMetricsRequest":        "AckPublishMetric",
	"PublishHealthRequest":         "AckPublishHealth",
	"PublishInstanceStatusRequest": "AckPublishInstanceStatus",
}

// body returns the JSON of a frame: agents put a block of signed HTTP headers and an empty line before it.
func body(frame []byte) []byte {
	if trimmed := bytes.TrimLeft(frame, " \r\n\t"); len(trimmed) > 0 && trimmed[0] == '{' {
		return trimmed
	}
	for _, gap := range [][]byte{[]byte("\r\n\r\n"), []byte("\n\n")} {
		if _, rest, ok := bytes.Cut(frame, gap); ok {
			return rest
		}
	}
	return frame
}

func (h *Hub) receive(id string, frame []byte) (ack string, err error) {
	var e struct {
		Type    string          `json:"type"`
		Message json.RawMessage `json:"message"`
	}
	if err := json.Unmarshal(body(frame), &e); err != nil {
		return "", fmt.Errorf("not a telemetry message: %w", err)
	}
	ack, ok := acks[e.Type]
	if !ok {
		return "", fmt.Errorf("unknown message type %q", e.Type)
	}
	switch e.Type {
	case "PublishMetricsRequest":
		err = h.metrics(e.Message)
	case "PublishHealthRequest":
		err = h.health(e.Message)
	case "PublishInstanceStatusRequest":
		err = h.instanceStatus(id, e.Message)
	}
	if err != nil {
		return "", fmt.Errorf("%s: %w", e.Type, err)
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	kinds := h.newest[id]
	if kinds == nil {
		kinds = map[string]Message{}
		h.newest[id] = kinds
	}
	kinds[e.Type] = Message{Count: kinds[e.Type].Count + 1, At: ecs.At(h.Control.Now()), Message: e.Message}
	return ack, nil
}

func (h *Hub) health(message []byte) error {
	var m struct {
		Tasks []struct {
			TaskArn    string `json:"taskArn"`
			Containers []struct {
				Name   string `json:"containerName"`
				Status string `json:"healthStatus"`
			} `json:"containers"`
		} `json:"tasks"`
	}
	if err := json.Unmarshal(message, &m); err != nil {
		return err
	}
	return h.Store.Update(func(tx *state.Tx) error {
		for _, t := range m.Tasks {
			status := map[string]string{}
			for _, c := range t.Containers {
				status[c.Name] = c.Status
			}
			h.Control.Health(tx, t.TaskArn, status)
		}
		return nil
	})
}

// checkNames are the API's words for the agent's checks.
var checkNames = map[string]string{"ContainerRuntime": "CONTAINER_RUNTIME", "ACCELERATED_COMPUTE": "ACCELERATED_COMPUTE", "EBSDaemon": "DAEMON"}

func (h *Hub) instanceStatus(id string, message []byte) error {
	var m struct {
		Statuses []ecs.HealthCheckResult `json:"statuses"`
	}
	if err := json.Unmarshal(message, &m); err != nil {
		return err
	}
	health := &ecs.InstanceHealth{OverallStatus: "OK", Details: []ecs.HealthCheckResult{}}
	for _, s := range m.Statuses {
		if name, ok := checkNames[s.Type]; ok {
			s.Type = name
		}
		if s.Status != "OK" && health.OverallStatus != "IMPAIRED" {
			health.OverallStatus = s.Status
		}
		health.Details = append(health.Details, s)
	}
	return h.Store.Update(func(tx *state.Tx) error {
		i := tx.Instances.Get(id)
		if i == nil {
			return nil
		}
		i = i.Clone()
		i.HealthStatus = health
		tx.Instances.Put(id, i)
		return nil
	})
}

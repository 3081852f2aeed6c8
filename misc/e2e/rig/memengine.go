package rig

import (
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"sync"
	"time"
)

// MemoryEngine answers the Docker API calls that the agent makes and keeps containers in memory: with it the agent is
// measured with more containers than a small machine can run.
type MemoryEngine struct {
	Socket string

	mu         sync.Mutex
	containers map[string]*memContainer
	created    int
	watchers   map[chan []byte]struct{}
	server     *http.Server
}

type memContainer struct {
	ID, Name, Status string
	Config           json.RawMessage
	Labels           map[string]string
	Created          time.Time
	Started          time.Time
	Finished         time.Time
}

// StartMemoryEngine listens on a unix socket.
func StartMemoryEngine(socket string) (*MemoryEngine, error) {
	l, err := net.Listen("unix", socket)
	if err != nil {
		return nil, fmt.Errorf("memory engine: %w", err)
	}
	e := &MemoryEngine{Socket: socket, containers: map[string]*memContainer{}, watchers: map[chan []byte]struct{}{}}
	api := http.NewServeMux()
	api.HandleFunc("GET /_ping", func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("Api-Version", "1.41") })
	api.HandleFunc("HEAD /_ping", func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("Api-Version", "1.41") })
	api.HandleFunc("GET /version", func(w http.ResponseWriter, _ *http.Request) {
		answer(w, 200, map[string]any{"Version": "20.10.24", "ApiVersion": "1.41", "MinAPIVersion": "1.12", "Os": "linux"})
	})
	api.HandleFunc("GET /info", func(w http.ResponseWriter, _ *http.Request) {
		answer(w, 200, map[string]any{"ServerVersion": "20.10.24", "OSType": "linux", "DockerRootDir": "/"})
	})
	api.HandleFunc("GET /events", e.events)
	api.HandleFunc("GET /containers/json", e.list)
	api.HandleFunc("POST /containers/create", e.create)
	api.HandleFunc("POST /containers/{id}/start", e.start)
	api.HandleFunc("POST /containers/{id}/stop", e.stop)
	api.HandleFunc("GET /containers/{id}/json", e.inspect)
	api.HandleFunc("DELETE /containers/{id}", e.remove)
	api.HandleFunc("GET /images/", func(w http.ResponseWriter, _ *http.Request) {
		answer(w, 200, map[string]any{"Id": "sha256:1", "Size": 1, "Config": map[string]any{}})
	})
	e.server = &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r.URL.Path = version.ReplaceAllString(r.URL.Path, "")
		api.ServeHTTP(w, r)
	})}
	go func() { _ = e.server.Serve(l) }()
	return e, nil
}

// Host is the engine as a DOCKER_HOST.
func (e *MemoryEngine) Host() string { return "unix://" + e.Socket }

// Close ends the engine.
func (e *MemoryEngine) Close() { _ = e.server.Close() }

func answer(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body)
}

func (e *MemoryEngine) create(w http.ResponseWriter, r *http.Request) {
	var body struct{ Labels map[string]string }
	var config json.RawMessage
	if err := json.NewDecoder(r.Body).Decode(&config); err != nil || json.Unmarshal(config, &body) != nil {
		answer(w, 400, map[string]string{"message": "bad body"})
		return
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.created++
	c := &memContainer{ID: fmt.Sprintf("%064x", e.created), Name: r.URL.Query().Get("name"), Status: "created", Config: config, Labels: body.Labels, Created: time.Now()}
	e.containers[c.ID] = c
	e.tell(c, "create")
	answer(w, 201, map[string]string{"Id": c.ID})
}

// with finds the container of a path, by id or name, and holds the lock meanwhile.
func (e *MemoryEngine) with(w http.ResponseWriter, r *http.Request, do func(*memContainer)) {
	e.mu.Lock()
	defer e.mu.Unlock()
	id := r.PathValue("id")
	c := e.containers[id]
	if c == nil {
		for _, other := range e.containers {
			if other.Name == id {
				c = other
			}
		}
	}
	if c == nil {
		answer(w, 404, map[string]string{"message": "No such container: " + id})
		return
	}
	do(c)
}

func (e *MemoryEngine) start(w http.ResponseWriter, r *http.Request) {
	e.with(w, r, func(c *memContainer) {
		c.Status, c.Started = "running", time.Now()
		e.tell(c, "start")
		w.WriteHeader(204)
	})
}

func (e *MemoryEngine) stop(w http.ResponseWriter, r *http.Request) {
	e.with(w, r, func(c *memContainer) {
		c.Status, c.Finished = "exited", time.Now()
		e.tell(c, "die")
		e.tell(c, "stop")
		w.WriteHeader(204)
	})
}

func (e *MemoryEngine) remove(w http.ResponseWriter, r *http.Request) {
	e.with(w, r, func(c *memContainer) {
		delete(e.containers, c.ID)
		e.tell(c, "destroy")
		w.WriteHeader(204)
	})
}

func (e *MemoryEngine) inspect(w http.ResponseWriter, r *http.Request) {
	e.with(w, r, func(c *memContainer) {
		answer(w, 200, map[string]any{
			"Id": c.ID, "Name": "/" + c.Name, "Created": c.Created, "Image": "sha256:1",
			"State":  map[string]any{"Status": c.Status, "Running": c.Status == "running", "StartedAt": c.Started, "FinishedAt": c.Finished},
			"Config": c.Config, "HostConfig": map[string]any{"NetworkMode": "bridge"},
			"NetworkSettings": map[string]any{"Networks": map[string]any{"bridge": map[string]any{"IPAddress": "172.17.0.2"}}},
		})
	})
}

func (e *MemoryEngine) list(w http.ResponseWriter, _ *http.Request) {
	e.mu.Lock()
	defer e.mu.Unlock()
	all := []any{}
	for _, c := range e.containers {
		all = append(all, map[string]any{"Id": c.ID, "Names": []string{"/" + c.Name}, "State": c.Status, "Labels": c.Labels, "Created": c.Created.Unix()})
	}
	answer(w, 200, all)
}

// tell sends an event to those who watch. The caller holds the lock.
func (e *MemoryEngine) tell(c *memContainer, action string) {
	attributes := map[string]string{"name": c.Name, "exitCode": "0"}
	for name, value := range c.Labels {
		attributes[name] = value
	}
	now := time.Now()
	event, _ := json.Marshal(map[string]any{
		"status": action, "id": c.ID, "Type": "container", "Action": action, "time": now.Unix(), "timeNano": now.UnixNano(),
		"Actor": map[string]any{"ID": c.ID, "Attributes": attributes},
	})
	for watcher := range e.watchers {
		watcher <- event
	}
}

func (e *MemoryEngine) events(w http.ResponseWriter, r *http.Request) {
	stream := make(chan []byte, 1<<14)
	e.mu.Lock()
	e.watchers[stream] = struct{}{}
	e.mu.Unlock()
	defer func() {
		e.mu.Lock()
		defer e.mu.Unlock()
		delete(e.watchers, stream)
	}()
	flusher := w.(http.Flusher)
	w.WriteHeader(200)
	flusher.Flush()
	for {
		select {
		case event := <-stream:
			if _, err := w.Write(append(event, '\n')); err != nil {
				return
			}
			flusher.Flush()
		case <-r.Context().Done():
			return
		}
	}
}

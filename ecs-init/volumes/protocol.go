package volumes

import (
	"context"
	"encoding/json"
	"net/http"

	"github.com/aws/amazon-ecs-agent/ecs-init/log"
)

const contentType = "application/vnd.docker.plugins.v1.1+json"

// request is the body of every request of Docker's volume plug-in protocol.
type request struct {
	Name string
	ID   string
	Opts map[string]string
}

// answers of the protocol.
type (
	nothing     struct{}
	mountAnswer struct{ Mountpoint string }
	getAnswer   struct{ Volume Info }
	listAnswer  struct{ Volumes []Info }
	failure     struct{ Err string }
)

// Handler serves the protocol.
func (p *Plugin) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("/Plugin.Activate", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", contentType)
		_, _ = w.Write([]byte(`{"Implements": ["VolumeDriver"]}` + "\n"))
	})
	mux.HandleFunc("/VolumeDriver.Capabilities", func(w http.ResponseWriter, _ *http.Request) { respond(w, nil, nil) })
	mux.HandleFunc("/VolumeDriver.List", func(w http.ResponseWriter, _ *http.Request) { respond(w, listAnswer{p.List()}, nil) })
	handle(mux, "/VolumeDriver.Create", func(_ context.Context, r request) (any, error) {
		return nothing{}, p.Create(r.Name, r.Opts)
	})
	handle(mux, "/VolumeDriver.Mount", func(ctx context.Context, r request) (any, error) {
		path, err := p.Mount(ctx, r.Name, r.ID)
		return mountAnswer{path}, err
	})
	handle(mux, "/VolumeDriver.Unmount", func(ctx context.Context, r request) (any, error) {
		return nothing{}, p.Unmount(ctx, r.Name, r.ID)
	})
	handle(mux, "/VolumeDriver.Remove", func(ctx context.Context, r request) (any, error) {
		return nothing{}, p.Remove(ctx, r.Name)
	})
	handle(mux, "/VolumeDriver.Path", func(_ context.Context, r request) (any, error) {
		v, err := p.Get(r.Name)
		return mountAnswer{v.Mountpoint}, err
	})
	handle(mux, "/VolumeDriver.Get", func(_ context.Context, r request) (any, error) {
		v, err := p.Get(r.Name)
		return getAnswer{v}, err
	})
	return mux
}

// handle answers requests with a body. Work that has begun goes on when Docker hangs up: half of it would be worse.
func handle(mux *http.ServeMux, path string, do func(context.Context, request) (any, error)) {
	mux.HandleFunc(path, func(w http.ResponseWriter, r *http.Request) {
		var body request
		if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, 1<<20)).Decode(&body); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		answer, err := do(context.WithoutCancel(r.Context()), body)
		if err != nil {
			log.Errorf("%s %s: %v", path, body.Name, err)
		}
		respond(w, answer, err)
	})
}

func respond(w http.ResponseWriter, answer any, err error) {
	w.Header().Set("Content-Type", contentType)
	if err != nil {
		w.WriteHeader(http.StatusInternalServerError)
		answer = failure{err.Error()}
	}
	_ = json.NewEncoder(w).Encode(answer)
}

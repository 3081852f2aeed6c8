// Package server puts the parts of the control plane together behind one address.
package server

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/aws/amazon-ecs-agent/misc/local-ecs/internal/acs"
	"github.com/aws/amazon-ecs-agent/misc/local-ecs/internal/api"
	"github.com/aws/amazon-ecs-agent/misc/local-ecs/internal/awsdata"
	"github.com/aws/amazon-ecs-agent/misc/local-ecs/internal/control"
	"github.com/aws/amazon-ecs-agent/misc/local-ecs/internal/ecs"
	"github.com/aws/amazon-ecs-agent/misc/local-ecs/internal/faults"
	"github.com/aws/amazon-ecs-agent/misc/local-ecs/internal/imds"
	"github.com/aws/amazon-ecs-agent/misc/local-ecs/internal/lab"
	"github.com/aws/amazon-ecs-agent/misc/local-ecs/internal/payload"
	"github.com/aws/amazon-ecs-agent/misc/local-ecs/internal/rolecreds"
	"github.com/aws/amazon-ecs-agent/misc/local-ecs/internal/schedule"
	"github.com/aws/amazon-ecs-agent/misc/local-ecs/internal/state"
	"github.com/aws/amazon-ecs-agent/misc/local-ecs/internal/telemetry"
)

// Config is everything an operator can choose.
type Config struct {
	DataDir      string
	Region       string
	Account      string
	Zone         string   // empty: Region + "a"
	Clusters     []string // made at the start when missing
	ACS          acs.Options
	Credentials  *rolecreds.Source
	Retention    time.Duration // how long stopped tasks can be described
	AttachLimit  time.Duration // how long a network interface may take to be seen by the agent; 0 is the service's limit
	EnableFaults bool
	AWSData      string // directory of parameters, secrets, objects and the registry; empty: there are none
	Log          *slog.Logger
	Now          func() time.Time // nil: the clock
}

// Server is a control plane. It is an http.Handler; Run does what happens without requests.
type Server struct {
	cfg        Config
	store      *state.Store
	hub        *acs.Hub
	telemetry  *telemetry.Hub
	scheduler  *schedule.Scheduler
	interfaces *plugger
	imds       *imds.Server
	data       *awsdata.Handler // nil: there is none
	mux        *http.ServeMux
}

// New opens the state and prepares all parts. Close must be called.
func New(cfg Config) (*Server, error) {
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Zone == "" {
		cfg.Zone = cfg.Region + "a"
	}
	store, err := state.Open(cfg.DataDir)
	if err != nil {
		return nil, err
	}
	names := ecs.Names{Partition: partition(cfg.Region), Region: cfg.Region, Account: cfg.Account}
	s := &Server{cfg: cfg, store: store, mux: http.NewServeMux()}
	if err := s.openData(names); err != nil {
		store.Close()
		return nil, err
	}
	s.hub = &acs.Hub{Store: store, Renderer: &payload.Renderer{Names: names, Source: cfg.Credentials, Registry: s.registry}, Now: cfg.Now, Log: cfg.Log, Options: cfg.ACS}
	if cfg.AttachLimit == 0 {
		cfg.AttachLimit = control.DefaultAttachLimit
	}
	ctl := &control.Control{Names: names, Zone: cfg.Zone, Now: cfg.Now, Connected: s.hub.Connected,
		Lab: func() (lab.Lab, error) { return lab.Load(cfg.DataDir) }, AttachLimit: cfg.AttachLimit}
	s.interfaces = &plugger{store: store, control: ctl, log: cfg.Log}
	s.telemetry = &telemetry.Hub{Store: store, Control: ctl, Log: cfg.Log, Heartbeat: cfg.ACS.Heartbeat}
	s.scheduler = &schedule.Scheduler{Store: store, Control: ctl, Log: cfg.Log, Retention: cfg.Retention}
	a := &api.API{Store: store, Control: ctl, Log: cfg.Log, Deregistered: s.deregistered}
	s.imds = &imds.Server{Names: names, Zone: cfg.Zone, Source: cfg.Credentials, Now: cfg.Now}
	if err := s.prepare(names); err != nil {
		store.Close()
		return nil, err
	}
	s.mux.Handle("/", a)
	s.mux.Handle("/acs/ws", s.hub)
	s.mux.Handle("/tcs/ws", s.telemetry)
	s.mux.HandleFunc("GET /usage", func(w http.ResponseWriter, _ *http.Request) { writeJSON(w, s.telemetry.Usage()) })
	s.mux.HandleFunc("/healthz", func(w http.ResponseWriter, _ *http.Request) { w.Write([]byte("ok\n")) })
	if cfg.EnableFaults {
		s.enableFaults(a)
	}
	return s, nil
}

// partition returns the AWS partition of a region.
func partition(region string) string {
	switch {
	case strings.HasPrefix(region, "cn-"):
		return "aws-cn"
	case strings.HasPrefix(region, "us-gov-"):
		return "aws-us-gov"
	}
	return "aws"
}

// openData finds what stands in for other services.
func (s *Server) openData(names ecs.Names) error {
	if s.cfg.AWSData == "" {
		return nil
	}
	s.data = &awsdata.Handler{Data: &awsdata.Data{Dir: s.cfg.AWSData, Names: names, Now: s.cfg.Now}}
	if err := s.data.Check(); err != nil {
		return fmt.Errorf("--aws-data: %w", err)
	}
	return nil
}

// registry is the address of the registry that stands in for Amazon ECR; empty when there is none.
func (s *Server) registry() string {
	if s.data == nil {
		return ""
	}
	r, err := s.data.Registry()
	if err != nil {
		s.cfg.Log.Error("the registry is not used", "error", err)
	}
	if r == nil {
		return ""
	}
	return r.Address
}

// prepare makes the clusters and the instance id of the metadata service.
func (s *Server) prepare(names ecs.Names) error {
	return s.store.Update(func(tx *state.Tx) error {
		for _, name := range s.cfg.Clusters {
			if tx.Clusters.Get(name) == nil {
				tx.Clusters.Put(name, &state.Cluster{Cluster: ecs.Cluster{
					ClusterArn: names.Cluster(name), ClusterName: name, Status: ecs.Active, Statistics: []ecs.KeyValue{}, Tags: []ecs.Tag{},
					CapacityProviders: []string{}, DefaultCapacityProviderStrategy: json.RawMessage("[]"),
				}})
			}
		}
		id := tx.Meta.Get("instance-id")
		if id == nil {
			made := imds.NewInstanceID()
			id = &made
			tx.Meta.Put("instance-id", id)
		}
		s.imds.InstanceID = *id
		return nil
	})
}

func (s *Server) deregistered(instanceID string) {
	s.hub.Deregistered(instanceID)
	s.telemetry.Drop(instanceID)
}

// ServeHTTP answers the ECS API, the websockets and /healthz, and the services whose data there is.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if s.data != nil && s.data.Handles(r) {
		s.data.ServeHTTP(w, r) // past the mux, which would clean the keys of objects
		return
	}
	s.mux.ServeHTTP(w, r)
}

// IMDS is the instance metadata service, for an address of its own.
func (s *Server) IMDS() http.Handler { return s.imds }

// Run schedules services and saves the state until ctx ends.
func (s *Server) Run(ctx context.Context) {
	var saving sync.WaitGroup
	saving.Go(func() { s.store.Sync(ctx) })
	saving.Go(func() { s.interfaces.run(ctx) })
	s.scheduler.Run(ctx)
	saving.Wait()
}

// Close ends all sessions and closes the state. Nothing may be served any more.
func (s *Server) Close() error {
	s.hub.Close()
	s.telemetry.Close()
	return s.store.Close()
}

// Serve runs s on a listener, and its metadata service on another one unless nil, until ctx ends. It closes s.
func Serve(ctx context.Context, s *Server, listener, metadata net.Listener) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	serving := []*http.Server{{Handler: s, ReadHeaderTimeout: 10 * time.Second, IdleTimeout: 3 * time.Minute}}
	listeners := []net.Listener{listener}
	if metadata != nil {
		serving = append(serving, &http.Server{Handler: s.IMDS(), ReadHeaderTimeout: 10 * time.Second, IdleTimeout: time.Minute})
		listeners = append(listeners, metadata)
	}
	var work sync.WaitGroup
	errs := make(chan error, len(serving))
	for i, h := range serving {
		work.Go(func() {
			if err := h.Serve(listeners[i]); !errors.Is(err, http.ErrServerClosed) {
				errs <- fmt.Errorf("serve %s: %w", listeners[i].Addr(), err)
				cancel()
			}
		})
	}
	work.Go(func() { s.Run(ctx) })
	<-ctx.Done()
	// Hijacked connections are not the http.Server's any more: the hubs end them, first, so that agents see a proper close.
	s.hub.Close()
	s.telemetry.Close()
	for _, h := range serving {
		grace, done := context.WithTimeout(context.Background(), 2*time.Second)
		if h.Shutdown(grace) != nil {
			h.Close()
		}
		done()
	}
	work.Wait()
	close(errs)
	return errors.Join(<-errs, s.store.Close())
}

// enableFaults adds the test interface below /_local/.
func (s *Server) enableFaults(a *api.API) {
	set := &faults.Set{Actor: actor{s}}
	a.Faults, a.Submissions = set, &faults.Submissions{}
	s.hub.Faults = set
	if s.data != nil {
		s.data.Faults = set
		s.mux.HandleFunc("GET /_local/aws-calls", func(w http.ResponseWriter, _ *http.Request) { writeJSON(w, s.data.Calls()) })
	}
	s.mux.Handle("/_local/faults", set)
	s.mux.HandleFunc("GET /_local/submissions", func(w http.ResponseWriter, r *http.Request) {
		writeJSON(w, a.Submissions.List(r.URL.Query().Get("contains")))
	})
	s.mux.HandleFunc("GET /_local/telemetry", func(w http.ResponseWriter, _ *http.Request) {
		writeJSON(w, s.telemetry.Newest())
	})
	s.mux.HandleFunc("GET /_local/state", func(w http.ResponseWriter, _ *http.Request) {
		var out map[string]any
		s.store.View(func(tx *state.Tx) {
			connected := map[string]bool{}
			for _, i := range tx.Instances.All() {
				connected[i.ID] = s.hub.Connected(i.ID)
			}
			out = map[string]any{"clusters": tx.Clusters.All(), "instances": tx.Instances.All(), "connected": connected,
				"tasks": tx.Tasks.All(), "services": tx.Services.All()}
		})
		writeJSON(w, out)
	})
}

func writeJSON(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	e := json.NewEncoder(w)
	e.SetIndent("", " ")
	e.Encode(v)
}

// actor carries out the faults that happen at once.
type actor struct{ s *Server }

func (a actor) DropACS(id string, code int, text string) int { return a.s.hub.Drop(id, code, text) }
func (a actor) SendACS(id string, binary bool, frame []byte) int {
	return a.s.hub.SendFrame(id, binary, frame)
}
func (a actor) DropTCS(id string) int                     { return a.s.telemetry.Drop(id) }
func (a actor) SetIMDS(path string, status int, v string) { a.s.imds.Set(path, status, v) }

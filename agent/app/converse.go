package app

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"runtime"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/aws/amazon-ecs-agent/agent/acs"
	"github.com/aws/amazon-ecs-agent/agent/awsclient"
	"github.com/aws/amazon-ecs-agent/agent/engine"
	"github.com/aws/amazon-ecs-agent/agent/httpd"
	"github.com/aws/amazon-ecs-agent/agent/httpd/introspection"
	"github.com/aws/amazon-ecs-agent/agent/httpd/metadata"
	"github.com/aws/amazon-ecs-agent/agent/imds"
	"github.com/aws/amazon-ecs-agent/agent/logger"
	"github.com/aws/amazon-ecs-agent/agent/registration"
	"github.com/aws/amazon-ecs-agent/agent/store"
	"github.com/aws/amazon-ecs-agent/agent/tcs"
	"github.com/aws/amazon-ecs-agent/agent/turnstile"
	"github.com/aws/amazon-ecs-agent/agent/version"
	"github.com/aws/amazon-ecs-agent/agent/wsconn"
)

// manifestSaveLimit bounds the wait until the number of a manifest is on disk.
const manifestSaveLimit = 10 * time.Second

// conversations are what runs once the instance is registered.
type conversations struct {
	*life
	registered registration.Result
	place      <-chan place
}

// listenPatience is how long the sessions wait for introspection: whoever sees that ECS has the agent may ask it at once.
const listenPatience = 500 * time.Millisecond

// start starts all of them.
func (c *conversations) start(ctx context.Context, parts *errgroup.Group, endpoints *taskEndpoints) {
	a, registered := c.agent, c.registered
	parts.Go(func() error { return c.reporter.Run(ctx, registered.Cluster, c.tasks) })
	a.followENIs(ctx, parts, registered.Cluster, c.tasks)
	control, telemetry := c.sessions()
	introspection := c.introspection(control, telemetry)
	listening, heard := context.WithTimeout(ctx, listenPatience)
	introspection.Listening = heard
	parts.Go(func() error { return introspection.Run(ctx) })
	parts.Go(func() error { return c.cleaner.Run(ctx) })
	if a.cfg.SpotInstanceDrainingEnabled {
		spot := &registration.SpotWatch{Metadata: a.metadata, ECS: a.ecs, Cluster: registered.Cluster, ContainerInstanceARN: registered.ContainerInstanceARN}
		parts.Go(func() error { return spot.Run(ctx) })
	}
	if a.cfg.EnableRuntimeStats {
		parts.Go(func() error { return c.runtimeStats(ctx) })
	}
	parts.Go(func() error {
		endpoints.show(ctx, c.instance(ctx))
		return nil
	})
	for _, session := range []interface{ Run(context.Context) error }{telemetry, control} {
		parts.Go(func() error {
			<-listening.Done()
			select {
			case <-c.tasks.Ready():
				return session.Run(ctx)
			case <-ctx.Done():
				return nil
			}
		})
	}
}

// sessions are the conversations with the two services behind websockets. The control session tells the other when to
// examine the instance, and when it is not registered any more.
func (c *conversations) sessions() (*acs.Session, *tcs.Session) {
	var control *acs.Session
	doctor := tcs.NewDoctor(tcs.DockerCheck(c.agent.docker.Ping))
	telemetry := c.telemetry(doctor, func() bool { return control.Connected() })
	control = c.control(doctor.Examine, telemetry.Deregistered)
	return control, telemetry
}

// instance is what task metadata tells about the instance, once its place in EC2 is known or cannot be.
func (c *conversations) instance(ctx context.Context) metadata.Instance {
	in := metadata.Instance{ARN: c.registered.ContainerInstanceARN, Cluster: c.registered.Cluster, AvailabilityZone: c.registered.AvailabilityZone}
	select {
	case at := <-c.place:
		in.VPCID, in.AvailabilityZoneID = at.vpcID, at.zoneID
	case <-ctx.Done():
	}
	return in
}

// place is where in EC2 the instance is; empty elsewhere, or when instance metadata does not answer.
type place struct{ vpcID, zoneID string }

// findPlace asks for the place while the instance is being registered; the answer comes once.
func (a *agent) findPlace(ctx context.Context, parts *errgroup.Group) <-chan place {
	found := make(chan place, 1)
	parts.Go(func() error {
		var at place
		if !a.cfg.External {
			if vpc, err := registration.LookUpVPC(ctx, a.metadata, false); err == nil {
				at.vpcID = vpc.ID
			}
			zone, err := registration.AvailabilityZoneID(ctx, a.metadata)
			if err != nil && !imds.NeverAnswers(err) && ctx.Err() == nil {
				logger.Warn("Unable to get Availability Zone ID for the Instance", logger.Err(err))
			}
			at.zoneID = zone
		}
		found <- at
		return nil
	})
	return found
}

func (c *conversations) introspection(control *acs.Session, telemetry *tcs.Session) httpd.Server {
	return introspection.Server(introspection.Agent{
		Cluster: c.registered.Cluster, ContainerInstanceARN: c.registered.ContainerInstanceARN,
		Version:   versionLine(),
		Profiling: c.agent.cfg.EnableRuntimeStats,
		Metrics:   c.metricsHandler(control, telemetry),
		Sessions: func() []introspection.Session {
			control, telemetry := control.Stats(), telemetry.Stats()
			return []introspection.Session{
				{Name: "ACS", Purpose: "Control", Connected: control.Connected, Since: control.ConnectedAt, LastEnd: control.LastEnd},
				{Name: "TCS", Purpose: "Telemetry", Connected: telemetry.Connected, Since: telemetry.ConnectedAt, LastEnd: telemetry.LastEnd},
			}
		},
		Host:      func() introspection.Host { return hostOf(c.tasks.Host()) },
		Samples:   c.stats,
		StartedAt: startedAt,
		Reports:   func() any { return c.reporter.Stats() },
		Steps: func() any {
			return map[string]turnstile.State{"Pulls": c.images.Turns(), "Starts": c.tasks.Starts()}
		},
	}, c.tasks)
}

// startedAt is when the agent began.
var startedAt = time.Now().UTC()

func hostOf(h engine.HostUse) introspection.Host {
	return introspection.Host{CPU: h.CPU, CPUUsed: h.CPUUsed, MemoryMiB: h.MemoryMiB, MemoryUsedMiB: h.MemoryUsedMiB, GPUs: h.GPUs, GPUsUsed: h.GPUsUsed}
}

// versionLine is the agent's version as upgrade tooling reads it.
func versionLine() string {
	dirty := ""
	if version.GitDirty {
		dirty = "*"
	}
	return fmt.Sprintf("Amazon ECS Agent - v%s (%s%s)", version.Version, dirty, version.GitShortHash)
}

// control is the conversation on which ECS sends work.
func (c *conversations) control(checkHealth func(context.Context), deregistered func()) *acs.Session {
	a := c.agent
	return acs.New(acs.Config{
		Cluster:              c.registered.Cluster,
		ContainerInstanceARN: c.registered.ContainerInstanceARN,
		AgentVersion:         version.Version,
		AgentHash:            version.GitShortHash,
		DockerVersion:        func(context.Context) string { return a.docker.Server().Version },
		Endpoints:            a.ecs,
		Dialer:               a.websocket(acs.ErrorTypes),
		Engine:               c.tasks,
		ENIs:                 a.enis,
		Credentials:          &a.roles,
		Manifest:             newManifestNumber(a.store, c.identity.ManifestSequence),
		CheckHealth:          checkHealth,
		Deregistered:         deregistered,
		Updates:              c.updates(),
	})
}

// websocket connects to a service that may refuse with one of the errors.
func (a *agent) websocket(errorTypes []string) *wsconn.Dialer {
	return &wsconn.Dialer{
		Sign:       func(ctx context.Context, url string) (http.Header, error) { return a.sign(ctx, url, nil) },
		Proxy:      awsclient.WebsocketProxy(os.Getenv, a.cfg.DockerEndpoint),
		TLS:        awsclient.TLSConfig(a.flags.InsecureSkipVerify),
		ErrorTypes: errorTypes,
	}
}

// sign gives the headers that sign a message on a websocket, or with an empty one the connect.
func (a *agent) sign(ctx context.Context, url string, payload []byte) (http.Header, error) {
	keys, err := a.instance.Retrieve(ctx)
	if err != nil {
		return nil, err
	}
	return awsclient.SignWebsocket(ctx, keys, a.cfg.AWSRegion, url, payload, time.Now())
}

// updates is how the agent takes new versions of itself: staged for ecs-init, which starts them when the agent ends.
func (c *conversations) updates() acs.Updates {
	a := c.agent
	if !a.cfg.UpdatesEnabled {
		return acs.Updates{}
	}
	return acs.Updates{
		Enabled: true,
		Staging: &acs.Staging{
			Dir: a.cfg.UpdateDownloadDir,
			// Certificates are verified whatever the flags say, and redirects followed.
			HTTP:      &http.Client{Transport: awsclient.NewHTTPClient(false).Transport},
			UserAgent: version.Version + " (" + runtime.GOOS + ") (+http://aws.amazon.com/ecs/)",
			DualStack: a.cfg.InstanceIPCompatibility.IPv6Only(),
		},
		Perform: func() { a.end(errUpdate) },
	}
}

// runtimeStats writes figures about the process now and then.
func (c *conversations) runtimeStats(ctx context.Context) error {
	rotation := logger.RuntimeStatsRotation(logger.RotationFromEnvironment(os.LookupEnv))
	file := logger.NewFile(c.agent.cfg.RuntimeStatsLogFile, rotation)
	defer file.Close()
	return logger.RunRuntimeStats(ctx, file)
}

// manifestNumber keeps the number of the last task manifest.
type manifestNumber struct {
	store *store.Store
	last  atomic.Int64
}

func newManifestNumber(s *store.Store, last int64) *manifestNumber {
	m := &manifestNumber{store: s}
	m.last.Store(last)
	return m
}

func (m *manifestNumber) ManifestSeq() int64 { return m.last.Load() }

func (m *manifestNumber) SetManifestSeq(n int64) error {
	ctx, cancel := context.WithTimeout(context.Background(), manifestSaveLimit)
	defer cancel()
	if err := m.store.SaveManifestSequence(ctx, n); err != nil {
		return err
	}
	m.last.Store(n)
	return nil
}

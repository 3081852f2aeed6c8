package app

import (
	"context"
	"net/http"
	"os"
	"sync/atomic"

	"golang.org/x/sync/errgroup"

	"github.com/aws/amazon-ecs-agent/agent/engine"
	"github.com/aws/amazon-ecs-agent/agent/httpd"
	"github.com/aws/amazon-ecs-agent/agent/httpd/agentapi"
	"github.com/aws/amazon-ecs-agent/agent/httpd/audit"
	"github.com/aws/amazon-ecs-agent/agent/httpd/credentials"
	"github.com/aws/amazon-ecs-agent/agent/httpd/fault"
	"github.com/aws/amazon-ecs-agent/agent/httpd/metadata"
	"github.com/aws/amazon-ecs-agent/agent/logger"
	"github.com/aws/amazon-ecs-agent/agent/registration"
	"github.com/aws/amazon-ecs-agent/agent/stats"
)

// taskEndpoints is the server for containers. Tasks of a former run are served from the start with what was saved about
// the instance, and after the registration with what is true now.
type taskEndpoints struct {
	agent   *agent
	tasks   *engine.Engine
	stats   *stats.Collector
	faults  *fault.Injector
	limiter *httpd.Limiter
	parts   *errgroup.Group
	current atomic.Pointer[http.Handler]
}

func (e *taskEndpoints) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	(*e.current.Load()).ServeHTTP(w, r)
}

// serveTasks starts the server for containers.
func (a *agent) serveTasks(ctx context.Context, parts *errgroup.Group, tasks *engine.Engine, collector *stats.Collector,
	identity registration.Identity) *taskEndpoints {
	e := &taskEndpoints{agent: a, tasks: tasks, stats: collector, faults: a.newInjector(tasks), parts: parts,
		limiter: httpd.NewLimiter(float64(a.cfg.TaskMetadataSteadyStateRate), a.cfg.TaskMetadataBurstRate)}
	parts.Go(func() error { return e.faults.Run(ctx) })
	e.show(ctx, metadata.Instance{ARN: identity.ContainerInstanceARN, Cluster: a.cfg.Cluster, AvailabilityZone: identity.AvailabilityZone})
	parts.Go(func() error {
		return httpd.Server{Name: "task api", Address: httpd.TaskAddress, Handler: e}.Run(ctx)
	})
	return e
}

// show makes the server tell from now on what in says about the instance.
func (e *taskEndpoints) show(ctx context.Context, in metadata.Instance) {
	if e.agent.cfg.TaskMetadataAZDisabled {
		in.AvailabilityZone, in.AvailabilityZoneID = "", ""
	}
	log := e.agent.openAudit(in)
	e.parts.Go(func() error { log.Run(ctx); return nil })
	routes := &httpd.Router{}
	credentials.Register(routes, &e.agent.roles, log)
	metadata.Register(routes, in, e.tasks, e.stats, e.agent.ecs)
	agentapi.Register(routes, in.Cluster, e.tasks, &e.agent.roles, e.agent.ecs)
	fault.Register(routes, e.tasks, e.faults)
	server := httpd.TaskServer{Routes: routes, Limiter: e.limiter, Audit: log}
	if m := e.agent.metrics; m != nil {
		server.Observe = m.Request
	}
	handler := server.Handler()
	e.current.Store(&handler)
}

// newInjector makes what injects network faults; without a checkpoint its list of faults is kept in memory.
func (a *agent) newInjector(tasks *engine.Engine) *fault.Injector {
	if !a.cfg.Checkpoint {
		return fault.NewInjector(tasks, "")
	}
	return fault.NewInjector(tasks, a.cfg.DataDir)
}

// openAudit opens the audit log; nil, which writes nothing, when it is off or cannot be written.
func (a *agent) openAudit(in metadata.Instance) *audit.Log {
	if a.cfg.CredentialsAuditLogDisabled {
		return nil
	}
	rotation := logger.RotationFromEnvironment(os.LookupEnv).Always()
	log, err := audit.Open(a.cfg.CredentialsAuditLogFile, rotation, os.Stdout, in.Cluster, in.ARN)
	if err != nil {
		logger.Error("Error initializing the audit log: "+err.Error()+"; credentials are served without it", logger.F("file", a.cfg.CredentialsAuditLogFile))
		return nil
	}
	return log
}

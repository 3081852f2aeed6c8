package app

import (
	"context"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/aws/amazon-ecs-agent/agent/engine"
	"github.com/aws/amazon-ecs-agent/agent/image"
	"github.com/aws/amazon-ecs-agent/agent/logger"
	"github.com/aws/amazon-ecs-agent/agent/registration"
	"github.com/aws/amazon-ecs-agent/agent/report"
	"github.com/aws/amazon-ecs-agent/agent/stats"
	"github.com/aws/amazon-ecs-agent/agent/store"
)

// life is the agent with what it goes on from, and what works in it as long as it runs.
type life struct {
	*agent
	host     registration.Resources
	identity registration.Identity // before it registers
	state    *store.State          // of a former run

	instanceID atomic.Value // string: EC2's, empty when there is none or it is not known yet
	reporter   *report.Reporter
	images     *image.Puller
	cleaner    *image.Cleaner
	tasks      *engine.Engine
	stats      *stats.Collector
}

// assemble makes what works in the agent and gives it the former run's state. Nothing runs yet.
func (l *life) assemble(ctx context.Context) (err error) {
	l.metrics = l.newMetrics()
	l.reporter = report.New(l.ecs)
	l.instanceID.Store(l.identity.InstanceID)
	resources := l.newResources(func() string { return l.instanceID.Load().(string) })
	l.images = image.New(l.cfg, l.docker, l.store, l.registryAuth(resources))
	if err := l.images.Restore(); err != nil {
		return terminal(err)
	}
	if l.tasks, err = l.newEngine(l.host, resources, l.images, l.reporter, l.identity); err != nil {
		return err
	}
	if l.cleaner, err = l.newCleaner(ctx, l.images, l.tasks); err != nil {
		return err
	}
	resources.envfiles.Sweep(l.state.Tasks)
	l.tasks.Restore(l.state.Tasks)
	l.enis.Restore(l.state.Attachments, time.Now())
	l.stats = l.newCollector(l.tasks)
	return nil
}

// run runs it all. What runs ends with ctx or with the first part that fails, and is waited for.
func (l *life) run(ctx context.Context) error {
	parts, partsCtx := errgroup.WithContext(ctx)
	cannotFail := func(part func(context.Context)) {
		parts.Go(func() error {
			part(partsCtx)
			return nil
		})
	}
	parts.Go(func() error { return logger.RunStackDumps(partsCtx) })
	parts.Go(func() error { return l.tasks.Run(partsCtx) })
	cannotFail(func(ctx context.Context) { l.restoreCgroups(ctx, l.state.Tasks) })
	if !l.store.Enabled() {
		cannotFail(l.askInstanceID)
	}
	cannotFail(func(ctx context.Context) { reportLost(ctx, l.tasks, l.state.Lost) })
	parts.Go(func() error { return measure(partsCtx, l.stats, l.tasks) })
	endpoints := l.serveTasks(partsCtx, parts, l.tasks, l.stats, l.identity)
	place := l.findPlace(partsCtx, parts)
	parts.Go(func() error {
		l.prepull(partsCtx, parts, l.images)
		registered, err := l.register(partsCtx, l.identity, l.host)
		if err != nil {
			return err
		}
		l.tellInstance(partsCtx, registered)
		cannotFail(func(ctx context.Context) { l.completeMetadataFiles(ctx, l.tasks) })
		(&conversations{life: l, registered: registered, place: place}).start(partsCtx, parts, endpoints)
		return nil
	})
	return waitFor(ctx, parts)
}

// askInstanceID finds out what a checkpoint would have told.
func (l *life) askInstanceID(ctx context.Context) {
	if id, err := registration.InstanceID(ctx, l.metadata); err == nil {
		l.instanceID.Store(id)
	}
}

// Package enginetest is what tests of the agent's engine put around it.
package enginetest

import (
	"context"
	"sync"
	"testing"

	"github.com/aws/amazon-ecs-agent/agent/task"
)

// NoResources is for tasks that need nothing but containers.
type NoResources struct{}

func (NoResources) Plan(*task.Task) ([]task.Resource, error)                 { return nil, nil }
func (NoResources) Create(context.Context, *task.Task, *task.Resource) error { return nil }
func (NoResources) Release(context.Context, *task.Task)                      {}
func (NoResources) Remove(context.Context, *task.Task, *task.Resource) error { return nil }

// NoSink tells nobody what changed.
type NoSink struct{}

func (NoSink) ContainerChanged(*task.Task, *task.Container) {}
func (NoSink) TaskChanged(*task.Task, string)               {}

// Run runs an engine, waits until it is ready, and gives what ends it: the test ends it at the latest. closed is called
// after the end.
func Run(t testing.TB, e interface {
	Run(ctx context.Context) error
	Ready() <-chan struct{}
}, closed func()) (end func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { _ = e.Run(ctx) })
	end = sync.OnceFunc(func() {
		cancel()
		running.Wait()
		closed()
	})
	t.Cleanup(end)
	<-e.Ready()
	return end
}

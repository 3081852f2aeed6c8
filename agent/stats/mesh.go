package stats

import (
	"context"
	"encoding/json"
	"sync"

	"github.com/aws/amazon-ecs-agent/agent/logger"
	"github.com/aws/amazon-ecs-agent/agent/stats/serviceconnect"
	"github.com/aws/amazon-ecs-agent/agent/task"
)

// mesh is what the ServiceConnectConfig of a task says about the statistics of its proxy.
type mesh struct {
	ContainerName string `json:"containerName"`
	Runtime       struct {
		Socket  string `json:"adminSocketPath"`
		Request string `json:"statsRequest"`
	} `json:"runtimeConfig"`
}

// meshOf gives the proxy of a task whose proxy has started and of which any container runs. Records of other agents name a
// proxy for tasks that have none.
func meshOf(t *task.Task) (mesh, bool) {
	if len(t.ServiceConnect) == 0 || !serviceconnect.Supported {
		return mesh{}, false
	}
	var m mesh
	if json.Unmarshal(t.ServiceConnect, &m) != nil || m.ContainerName == "" {
		return mesh{}, false
	}
	proxy, found := t.Container(m.ContainerName)
	if !found || proxy.RuntimeID == "" || proxy.Known < task.ContainerRunning || proxy.Known.Terminal() && proxy.StartedAt.IsZero() {
		return mesh{}, false
	}
	for _, c := range t.Containers {
		if running(c) {
			return m, true
		}
	}
	return mesh{}, false
}

// meshes keeps the newest metrics of each Service Connect proxy until they are reported. The zero value is ready.
type meshes struct {
	mu    sync.Mutex
	fresh map[string][]serviceconnect.Wrapper // by task ARN
}

// keep forgets tasks that are not among those.
func (m *meshes) keep(arns map[string]bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for arn := range m.fresh {
		if !arns[arn] {
			delete(m.fresh, arn)
		}
	}
}

// ask gets new metrics of all proxies at once. One that fails does not keep the others from being asked.
func (m *meshes) ask(ctx context.Context, tasks []*task.Task, which map[string]bool) {
	var all sync.WaitGroup
	defer all.Wait()
	for _, t := range tasks {
		if !which[t.ARN] {
			continue
		}
		proxy, _ := meshOf(t)
		all.Go(func() {
			wrappers, err := serviceconnect.Fetch(ctx, proxy.Runtime.Socket, proxy.Runtime.Request)
			if err != nil {
				logger.Error("Error retrieving Service Connect stats for task", logger.F("taskARN", t.ARN), logger.Err(err))
				return
			}
			m.mu.Lock()
			defer m.mu.Unlock()
			if m.fresh == nil {
				m.fresh = map[string][]serviceconnect.Wrapper{}
			}
			m.fresh[t.ARN] = wrappers
		})
	}
}

// take gives a task's metrics, once.
func (m *meshes) take(arn string) []serviceconnect.Wrapper {
	m.mu.Lock()
	defer m.mu.Unlock()
	wrappers := m.fresh[arn]
	delete(m.fresh, arn)
	return wrappers
}

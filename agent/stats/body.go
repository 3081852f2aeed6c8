package stats

import (
	"encoding/json"
	"time"

	"github.com/aws/amazon-ecs-agent/agent/logger"
	"github.com/aws/amazon-ecs-agent/agent/stats/dockerstats"
	"github.com/aws/amazon-ecs-agent/agent/task"
)

// answer is the body of the stats endpoints.
type answer struct {
	*dockerstats.Object
	Networks dockerstats.Networks `json:"networks,omitempty"` // of the task in awsvpc mode; hides those of the object
	Rates    *networkRates        `json:"network_rate_stats,omitempty"`
}

// networkRates are what task metadata v4 adds: the rates between the two newest samples.
type networkRates struct {
	Rx float64 `json:"rx_bytes_per_sec"`
	Tx float64 `json:"tx_bytes_per_sec"`
}

// cachedBody is an encoded answer and the samples it was made of.
type cachedBody struct {
	text           []byte
	count, network uint64
}

// ContainerStats gives the newest sample of a container as the JSON object of Docker's API, with the member
// network_rate_stats of task metadata v4 if rates is set. Without a sample yet body is nil; tracked is false when the
// container is not measured: it does not run, or metrics are disabled. It never waits for Docker; body must not be changed.
func (c *Collector) ContainerStats(t *task.Task, ct *task.Container, rates bool) (body []byte, tracked bool) {
	if c.disabled || !belongs(t) || !running(ct) {
		return nil, false
	}
	x := c.find(ct.RuntimeID)
	if x == nil {
		c.nudge() // it has just started
		return nil, true
	}
	x.asked.Store(time.Now().UnixNano())
	return x.body(c.networkOf(t.ARN), rates), true
}

func (t *tracked) body(network *taskNetwork, rates bool) []byte {
	var networks dockerstats.Networks
	var networkCount uint64
	rx, tx := none, none
	if network != nil {
		network.mu.Lock()
		networks, networkCount = network.networks, network.count
		rx, tx = network.queue.rxRate, network.queue.txRate
		network.mu.Unlock()
	}

	t.mu.Lock()
	defer t.mu.Unlock()
	if t.newest == nil {
		return nil
	}
	kept := &t.bodies[0]
	if rates {
		kept = &t.bodies[1]
	}
	if kept.text != nil && kept.count == t.count && kept.network == networkCount {
		return kept.text
	}
	a := answer{Object: t.newest, Networks: t.newest.Networks}
	if t.task.NetworkMode == "awsvpc" {
		if networks != nil {
			a.Networks = networks
		}
		if network == nil {
			logger.Warn("Network stats not found for container", logger.F("taskARN", t.task.ARN), logger.F("runtimeID", t.id))
		}
	} else {
		rx, tx = t.queue.rxRate, t.queue.txRate
	}
	if rates && known(rx) && known(tx) {
		a.Rates = &networkRates{rx, tx}
	}
	text, err := json.Marshal(a)
	if err != nil {
		logger.Error("Cannot encode container statistics", logger.F("runtimeID", t.id), logger.Err(err))
		return nil
	}
	*kept = cachedBody{text, t.count, networkCount}
	return text
}

package stats

import (
	"fmt"
	"math"
	"time"

	"github.com/aws/amazon-ecs-agent/agent/logger"
	"github.com/aws/amazon-ecs-agent/agent/stats/dockerstats"
)

// maxCPUPercent is the highest CPU value the telemetry service takes.
const maxCPUPercent = 1048576

// none is the value of a rate that is not known. It never leaves the queue.
var none = math.NaN()

func known(v float64) bool { return !math.IsNaN(v) }

// entry is a sample in a queue.
type entry struct {
	at         int64 // Unix ns
	cpuTime    uint64
	cpuPercent float64 // of the host; or none
	memory     uint64  // MiB, truncated
	read       uint64
	write      uint64
	network    dockerstats.Network
	hasNetwork bool
	rxRate     float64 // bytes per second; or none
	txRate     float64
	restarts   int
}

// queue holds the newest samples of a container, or of the network of a task. It forgets the oldest when it is full.
type queue struct {
	ring   []entry
	start  int // of the oldest
	length int
	sent   int // how many of the oldest have been sent
	added  int // how many there ever were
	// The newest rates, kept for task metadata; none before there are any.
	rxRate, txRate float64
}

func newQueue(size int) *queue {
	return &queue{ring: make([]entry, max(size, 2)), rxRate: none, txRate: none}
}

func (q *queue) at(i int) *entry { return &q.ring[(q.start+i)%len(q.ring)] }

func (q *queue) newest() *entry {
	if q.length == 0 {
		return nil
	}
	return q.at(q.length - 1)
}

// add appends a sample. The rates are those since the newest entry.
func (q *queue) add(read time.Time, p point) {
	e := entry{
		at: read.UnixNano(), cpuTime: p.cpu, cpuPercent: none, memory: p.memory >> 20, read: p.read, write: p.write,
		network: p.network, hasNetwork: p.hasNetwork, rxRate: none, txRate: none, restarts: p.restartCount,
	}
	if last := q.newest(); last != nil {
		e.follow(last, q.length)
		if e.hasNetwork {
			q.rxRate, q.txRate = e.rxRate, e.txRate
		}
	}
	if q.length == len(q.ring) {
		q.start = (q.start + 1) % len(q.ring)
		q.length--
		q.sent = max(q.sent-1, 0)
	}
	q.length++
	q.added++
	*q.newest() = e
}

// follow computes the rates since last.
func (e *entry) follow(last *entry, length int) {
	elapsed := e.at - last.at
	bothNetworks := e.hasNetwork && last.hasNetwork
	if elapsed <= 0 {
		logger.Error("Received a docker stat object with duplicate timestamp")
		e.cpuPercent = last.cpuPercent
		if bothNetworks {
			e.rxRate, e.txRate = last.rxRate, last.txRate
		}
		return
	}
	if e.cpuTime >= last.cpuTime {
		e.cpuPercent = 100 * float64(e.cpuTime-last.cpuTime) / float64(elapsed)
	}
	if e.cpuPercent > maxCPUPercent {
		logger.Error(fmt.Sprintf("Calculated CPU usage percent (%.1f) is larger than backend maximum (%.1f). lastStatTS=%s lastStatCPUTime=%d thisStatTS=%s thisStatCPUTime=%d queueLength=%d",
			e.cpuPercent, float64(maxCPUPercent), stamp(last.at), last.cpuTime, stamp(e.at), e.cpuTime, length))
	}
	if bothNetworks {
		e.rxRate = rate(last.network.RxBytes, e.network.RxBytes, elapsed)
		e.txRate = rate(last.network.TxBytes, e.network.TxBytes, elapsed)
	}
}

func stamp(at int64) string { return time.Unix(0, at).UTC().Format(time.RFC3339Nano) }

// rate is per second; none when the counter went backwards.
func rate(before, now uint64, elapsed int64) float64 {
	if now < before {
		return none
	}
	return float64(now-before) / (float64(elapsed) / 1e9)
}

// markSent marks the entries as sent that were there when added was read.
func (q *queue) markSent(added int) {
	q.sent = max(q.sent, q.length-(q.added-added))
}

// unsent calls visit for the entries that were not sent, oldest first.
func (q *queue) unsent(visit func(*entry)) {
	for i := q.sent; i < q.length; i++ {
		visit(q.at(i))
	}
}

package stats

import (
	"errors"
	"fmt"
	"math"
	"math/bits"

	"github.com/aws/amazon-ecs-agent/agent/stats/dockerstats"
)

// Set is a statistics set of CloudWatch. The JSON forms here are those of the telemetry service.
type Set struct {
	Max         float64 `json:"max"`
	Min         float64 `json:"min"`
	SampleCount int     `json:"sampleCount"`
	Sum         float64 `json:"sum"`
}

func (s *Set) add(v float64) {
	if s.SampleCount == 0 || v < s.Min {
		s.Min = v
	}
	if s.SampleCount == 0 || v > s.Max {
		s.Max = v
	}
	s.SampleCount++
	s.Sum += v
}

// CounterSet is a statistics set of counters that have 64 bits without a sign, while the service's numbers have one: what
// is above the highest number goes to the overflow members.
type CounterSet struct {
	Max         int64 `json:"max"`
	Min         int64 `json:"min"`
	OverflowMax int64 `json:"overflowMax"`
	OverflowMin int64 `json:"overflowMin"`
	OverflowSum int64 `json:"overflowSum"`
	SampleCount int   `json:"sampleCount"`
	Sum         int64 `json:"sum"`
}

// counterSum is a CounterSet in the making.
type counterSum struct {
	min, max, sum, carry uint64
	count                int
}

func (s *counterSum) add(v uint64) {
	if s.count == 0 || v < s.min {
		s.min = v
	}
	s.max = max(s.max, v)
	s.count++
	var carry uint64
	s.sum, carry = bits.Add64(s.sum, v, 0)
	s.carry += carry
}

func (s *counterSum) set() *CounterSet {
	if s.count == 0 {
		return nil
	}
	set := &CounterSet{SampleCount: s.count}
	set.Min, set.OverflowMin = split(0, s.min)
	set.Max, set.OverflowMax = split(0, s.max)
	set.Sum, set.OverflowSum = split(s.carry, s.sum)
	return set
}

// split divides a number of 128 bits into what fits and the overflow.
func split(high, low uint64) (value, overflow int64) {
	if high == 0 && low <= math.MaxInt64 {
		return int64(low), 0
	}
	return math.MaxInt64, int64(bits.Rem64(high, low, math.MaxInt64))
}

// StorageSets are cumulative counters of storage.
type StorageSets struct {
	ReadBytes  *CounterSet `json:"readSizeBytes,omitempty"`
	WriteBytes *CounterSet `json:"writeSizeBytes,omitempty"`
}

// NetworkSets are cumulative counters of the network, and the two rates.
type NetworkSets struct {
	RxBytes   *CounterSet `json:"rxBytes,omitempty"`
	RxRate    *Set        `json:"rxBytesPerSecond,omitempty"`
	RxDropped *CounterSet `json:"rxDropped,omitempty"`
	RxErrors  *CounterSet `json:"rxErrors,omitempty"`
	RxPackets *CounterSet `json:"rxPackets,omitempty"`
	TxBytes   *CounterSet `json:"txBytes,omitempty"`
	TxRate    *Set        `json:"txBytesPerSecond,omitempty"`
	TxDropped *CounterSet `json:"txDropped,omitempty"`
	TxErrors  *CounterSet `json:"txErrors,omitempty"`
	TxPackets *CounterSet `json:"txPackets,omitempty"`
}

// RestartSet tells how often a container was restarted in the interval.
type RestartSet struct {
	Count int `json:"restartCount"`
}

var (
	errFewSamples = errors.New("need at least 2 samples")
	errNoValues   = errors.New("no sample since the last metrics has a value")
)

// set builds a set over the unsent entries that have a value.
func (q *queue) set(value func(*entry) float64) (*Set, error) {
	if q.length < 2 {
		return nil, errFewSamples
	}
	var s Set
	q.unsent(func(e *entry) {
		if v := value(e); known(v) {
			s.add(v)
		}
	})
	if s.SampleCount == 0 {
		return nil, errNoValues
	}
	return &s, nil
}

func (q *queue) cpuSet() (*Set, error) {
	s, err := q.set(func(e *entry) float64 { return e.cpuPercent })
	if err != nil {
		return nil, fmt.Errorf("cpu: %w", err)
	}
	return s, nil
}

func (q *queue) memorySet() (*Set, error) {
	s, err := q.set(func(e *entry) float64 { return float64(e.memory) })
	if err != nil {
		return nil, fmt.Errorf("memory: %w", err)
	}
	return s, nil
}

// storageSets holds what can be built; an error tells that something is missing.
func (q *queue) storageSets() (*StorageSets, error) {
	if q.length < 2 {
		return &StorageSets{}, fmt.Errorf("storage: %w", errFewSamples)
	}
	var read, write counterSum
	q.unsent(func(e *entry) {
		read.add(e.read)
		write.add(e.write)
	})
	sets := &StorageSets{ReadBytes: read.set(), WriteBytes: write.set()}
	if sets.ReadBytes == nil {
		return sets, fmt.Errorf("storage: %w", errNoValues)
	}
	return sets, nil
}

// networkSets holds what can be built; an error tells that something is missing. Samples without network data count as 0.
func (q *queue) networkSets() (*NetworkSets, error) {
	if q.length < 2 {
		return &NetworkSets{}, fmt.Errorf("network: %w", errFewSamples)
	}
	var rx, tx networkSum
	q.unsent(func(e *entry) {
		n, rxRate, txRate := dockerstats.Network{}, 0.0, 0.0
		if e.hasNetwork {
			n, rxRate, txRate = e.network, e.rxRate, e.txRate
		}
		rx.add(n.RxBytes, n.RxPackets, n.RxErrors, n.RxDropped, rxRate)
		tx.add(n.TxBytes, n.TxPackets, n.TxErrors, n.TxDropped, txRate)
	})
	sets := &NetworkSets{
		RxBytes: rx.bytes.set(), RxPackets: rx.packets.set(), RxErrors: rx.errors.set(), RxDropped: rx.dropped.set(), RxRate: rx.rateSet(),
		TxBytes: tx.bytes.set(), TxPackets: tx.packets.set(), TxErrors: tx.errors.set(), TxDropped: tx.dropped.set(), TxRate: tx.rateSet(),
	}
	if sets.RxRate == nil || sets.TxRate == nil {
		return sets, fmt.Errorf("network: %w", errNoValues)
	}
	return sets, nil
}

// networkSum is one direction.
type networkSum struct {
	bytes, packets, errors, dropped counterSum
	rate                            Set
}

func (s *networkSum) add(bytes, packets, errors, dropped uint64, rate float64) {
	s.bytes.add(bytes)
	s.packets.add(packets)
	s.errors.add(errors)
	s.dropped.add(dropped)
	if known(rate) {
		s.rate.add(rate)
	}
}

func (s *networkSum) rateSet() *Set {
	if s.rate.SampleCount == 0 {
		return nil
	}
	set := s.rate
	return &set
}

// restartSet counts the restarts since the newest sample that was sent.
func (q *queue) restartSet() (*RestartSet, error) {
	switch {
	case q.length < 2:
		return nil, fmt.Errorf("restarts: %w", errFewSamples)
	case q.sent == q.length:
		return nil, fmt.Errorf("restarts: %w", errNoValues)
	}
	base, last := q.at(max(q.sent-1, 0)).restarts, q.newest().restarts
	switch {
	case base < 0 || last < 0:
		return nil, errors.New("restarts: the container has no restart policy")
	case last < base:
		return nil, fmt.Errorf("restarts: the count went from %d to %d", base, last)
	}
	return &RestartSet{Count: last - base}, nil
}

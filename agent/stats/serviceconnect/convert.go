package serviceconnect

import (
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/aws/amazon-ecs-agent/agent/logger"
)

// Wrapper is a set of metrics with the same dimensions and direction (GeneralMetricsWrapper of the telemetry service).
type Wrapper struct {
	MetricType string      `json:"metricType"`           // "1": into the task, "2": out of it; empty when neither is told
	Dimensions []Dimension `json:"dimensions,omitempty"` // by key
	Metrics    []Metric    `json:"generalMetrics,omitempty"`
}

// Dimension of a metric in CloudWatch.
type Dimension struct {
	Key   string `json:"key"`
	Value string `json:"value"`
}

// Metric is values and how often each came.
type Metric struct {
	Name   string    `json:"metricName"`
	Values []float64 `json:"metricValues"`
	Counts []int64   `json:"metricCounts"`
}

const (
	directionLabel = "Direction"
	boundLabel     = "le"
)

// convert makes wrappers of the families a proxy sent.
func convert(families []*family) []Wrapper {
	c := converter{index: map[string]int{}}
	for _, f := range families {
		switch f.kind {
		case "counter", "gauge":
			for _, s := range f.samples {
				if !math.IsNaN(s.value) && !math.IsInf(s.value, 0) {
					c.add(s.labels, Metric{Name: f.name, Values: []float64{s.value}, Counts: []int64{1}})
				}
			}
		case "histogram":
			c.histograms(f)
		default:
			logger.Warn("Service connect stats received invalid Metric type", logger.F("type", f.kind), logger.F("metric", f.name))
		}
	}
	return c.wrappers
}

type converter struct {
	wrappers []Wrapper
	index    map[string]int // of a wrapper by direction and dimensions
}

// add puts a metric to the others with its labels.
func (c *converter) add(labels []label, m Metric) {
	w := Wrapper{}
	for _, l := range labels {
		switch {
		case l.name == directionLabel && l.value == "ingress":
			w.MetricType = "1"
		case l.name == directionLabel && l.value == "egress":
			w.MetricType = "2"
		case l.name != directionLabel:
			w.Dimensions = append(w.Dimensions, Dimension{l.name, l.value})
		}
	}
	slices.SortFunc(w.Dimensions, func(a, b Dimension) int { return strings.Compare(a.Key, b.Key) })
	k := w.MetricType
	for _, d := range w.Dimensions {
		k += strconv.Quote(d.Key) + strconv.Quote(d.Value)
	}
	i, has := c.index[k]
	if !has {
		i = len(c.wrappers)
		c.index[k] = i
		c.wrappers = append(c.wrappers, w)
	}
	c.wrappers[i].Metrics = append(c.wrappers[i].Metrics, m)
}

// bucket counts the values up to a bound.
type bucket struct {
	bound float64
	count float64 // cumulative
}

// histograms makes one metric of the buckets with the same labels.
func (c *converter) histograms(f *family) {
	buckets := map[string][]bucket{}
	var order []string
	labels := map[string][]label{}
	for _, s := range f.samples {
		text, has := s.label(boundLabel)
		bound, err := strconv.ParseFloat(text, 64)
		if !has || err != nil || math.IsInf(bound, 0) || math.IsNaN(bound) {
			continue
		}
		others := slices.DeleteFunc(slices.Clone(s.labels), func(l label) bool { return l.name == boundLabel })
		slices.SortFunc(others, func(a, b label) int { return strings.Compare(a.name, b.name) })
		k := ""
		for _, l := range others {
			k += strconv.Quote(l.name) + strconv.Quote(l.value)
		}
		if _, has := buckets[k]; !has {
			order = append(order, k)
			labels[k] = others
		}
		buckets[k] = append(buckets[k], bucket{bound, s.value})
	}
	for _, k := range order {
		if m := disjoint(f.name, buckets[k]); len(m.Values) > 0 {
			c.add(labels[k], m)
		}
	}
}

// disjoint turns cumulative buckets into counts of their own and leaves out the empty ones.
func disjoint(name string, buckets []bucket) Metric {
	slices.SortStableFunc(buckets, func(a, b bucket) int {
		if a.bound < b.bound {
			return -1
		}
		if a.bound > b.bound {
			return 1
		}
		return 0
	})
	m := Metric{Name: name}
	before := 0.0
	for _, b := range buckets {
		count := clamp(b.count - before)
		if b.count > before {
			before = b.count
		}
		if count > 0 {
			m.Values = append(m.Values, b.bound)
			m.Counts = append(m.Counts, count)
		}
	}
	return m
}

// clamp gives the whole number of a count; 0 for what is none.
func clamp(count float64) int64 {
	switch {
	case !(count >= 1):
		return 0
	case count >= math.MaxInt64:
		return math.MaxInt64
	}
	return int64(count)
}

package tcs

import (
	"bytes"
	"encoding/json"
	"errors"
	"slices"
	"strconv"
	"time"

	"github.com/google/uuid"

	"github.com/aws/amazon-ecs-agent/agent/stats"
)

// Types of the requests to the service.
const (
	kindMetrics = "PublishMetricsRequest"
	kindHealth  = "PublishHealthRequest"
	kindStatus  = "PublishInstanceStatusRequest"
)

// healthTasks is how many tasks a health request holds at most.
const healthTasks = 10

// Requests. Members without a value are left out.
type (
	metricsRequest struct {
		Metadata    metricsMetadata `json:"metadata"`
		TaskMetrics []taskMetric    `json:"taskMetrics,omitempty"`
		Timestamp   timestamp       `json:"timestamp"`
	}
	metricsMetadata struct {
		Cluster           string `json:"cluster,omitempty"`
		ContainerInstance string `json:"containerInstance,omitempty"`
		Fin               bool   `json:"fin"`
		Idle              bool   `json:"idle"`
		MessageID         string `json:"messageId,omitempty"`
	}
	// taskMetric holds its lists encoded, so that their sizes are known.
	taskMetric struct {
		ARN            string            `json:"taskArn,omitempty"`
		Family         string            `json:"taskDefinitionFamily,omitempty"`
		Revision       string            `json:"taskDefinitionVersion,omitempty"`
		Containers     json.RawMessage   `json:"containerMetrics,omitempty"`
		Volumes        json.RawMessage   `json:"volumeMetrics,omitempty"`
		ServiceConnect []json.RawMessage `json:"serviceConnectMetricsWrapper,omitempty"`
	}

	healthRequest struct {
		Metadata  healthMetadata `json:"metadata"`
		Tasks     []taskHealth   `json:"tasks"`
		Timestamp timestamp      `json:"timestamp"`
	}
	healthMetadata struct {
		Cluster           string `json:"cluster,omitempty"`
		ContainerInstance string `json:"containerInstance,omitempty"`
		Fin               bool   `json:"fin"`
		MessageID         string `json:"messageId,omitempty"`
	}
	taskHealth struct {
		ARN        string            `json:"taskArn,omitempty"`
		Family     string            `json:"taskDefinitionFamily,omitempty"`
		Revision   string            `json:"taskDefinitionVersion,omitempty"`
		Containers []containerHealth `json:"containers"`
	}
	containerHealth struct {
		Name   string    `json:"containerName"`
		Status string    `json:"healthStatus"`
		Since  timestamp `json:"statusSince"`
	}

	statusRequest struct {
		Metadata  statusMetadata   `json:"metadata"`
		Statuses  []instanceStatus `json:"statuses"`
		Timestamp timestamp        `json:"timestamp"`
	}
	statusMetadata struct {
		Cluster           string `json:"cluster,omitempty"`
		ContainerInstance string `json:"containerInstance,omitempty"`
		RequestID         string `json:"requestId,omitempty"`
	}
	instanceStatus struct {
		Type       string    `json:"type"`
		Status     string    `json:"status"`
		LastChange timestamp `json:"lastStatusChange"`
		LastUpdate timestamp `json:"lastUpdated"`
	}
)

// timestamp is written as seconds since 1970 with at most three digits after the point.
type timestamp time.Time

// MarshalJSON writes the shortest form, cut to milliseconds.
func (t timestamp) MarshalJSON() ([]byte, error) {
	return strconv.AppendFloat(nil, float64(time.Time(t).UnixMilli())/1000, 'f', -1, 64), nil
}

func newID() string { return uuid.NewString() }

// encode is JSON without escapes for HTML.
func encode(v any) ([]byte, error) {
	var out bytes.Buffer
	encoder := json.NewEncoder(&out)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(v); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(out.Bytes(), []byte("\n")), nil
}

// metricsRequests makes the requests of one message. All have the same id; only the last has fin set.
func (s *Session) metricsRequests(id string, m stats.Metrics, at time.Time) ([][]byte, error) {
	frame := metricsRequest{
		Metadata:  metricsMetadata{Cluster: s.config.Cluster, ContainerInstance: s.config.ContainerInstanceARN, Idle: m.Idle, MessageID: id},
		Timestamp: timestamp(at),
	}
	if m.Idle {
		frame.Metadata.Fin = true
		request, err := encode(frame)
		return [][]byte{request}, err
	}
	tasks := make([]taskMetric, len(m.Tasks))
	sizes := make([]taskSize, len(m.Tasks))
	for i := range m.Tasks {
		var err error
		if tasks[i], err = newTaskMetric(&m.Tasks[i]); err != nil {
			return nil, err
		}
		if sizes[i], err = tasks[i].size(); err != nil {
			return nil, err
		}
	}
	empty, err := encode(frame)
	if err != nil {
		return nil, err
	}
	packed := pack(sizes, jsonLayout(len(empty)))
	if len(packed) == 0 {
		return nil, errors.New("no metrics to send")
	}
	var requests [][]byte
	for i, chunks := range packed {
		r := frame
		r.Metadata.Fin = i == len(packed)-1
		for _, c := range chunks {
			r.TaskMetrics = append(r.TaskMetrics, tasks[c.task].part(c))
		}
		request, err := encode(r)
		if err != nil {
			return nil, err
		}
		requests = append(requests, request)
	}
	return requests, nil
}

func newTaskMetric(t *stats.TaskMetrics) (m taskMetric, err error) {
	m = taskMetric{ARN: t.ARN, Family: t.Family, Revision: t.Revision}
	if len(t.Containers) > 0 {
		if m.Containers, err = encode(t.Containers); err != nil {
			return m, err
		}
	}
	if len(t.Volumes) > 0 {
		if m.Volumes, err = encode(t.Volumes); err != nil {
			return m, err
		}
	}
	for i := range t.ServiceConnect {
		wrapper, err := encode(&t.ServiceConnect[i])
		if err != nil {
			return m, err
		}
		m.ServiceConnect = append(m.ServiceConnect, wrapper)
	}
	return m, nil
}

// size measures the task's parts as they will be encoded.
func (m *taskMetric) size() (taskSize, error) {
	head, err := encode(taskMetric{ARN: m.ARN, Family: m.Family, Revision: m.Revision})
	if err != nil {
		return taskSize{}, err
	}
	s := taskSize{head: len(head)}
	if len(m.Containers) > 0 {
		s.body += len(`,"containerMetrics":`) + len(m.Containers)
	}
	if len(m.Volumes) > 0 {
		s.body += len(`,"volumeMetrics":`) + len(m.Volumes)
	}
	for _, w := range m.ServiceConnect {
		s.wrappers = append(s.wrappers, len(w))
	}
	return s, nil
}

// part is the task with what the chunk has of it.
func (m taskMetric) part(c chunk) taskMetric {
	if !c.body {
		m.Containers, m.Volumes = nil, nil
	}
	m.ServiceConnect = m.ServiceConnect[c.from:c.to]
	return m
}

// healthRequests makes the requests of one message: pages of 10 tasks.
func (s *Session) healthRequests(id string, list []stats.TaskHealth, at time.Time) ([][]byte, error) {
	var requests [][]byte
	for page := range slices.Chunk(list, healthTasks) {
		r := healthRequest{
			Metadata:  healthMetadata{Cluster: s.config.Cluster, ContainerInstance: s.config.ContainerInstanceARN, MessageID: id, Fin: len(requests) == (len(list)-1)/healthTasks},
			Timestamp: timestamp(at),
		}
		for _, t := range page {
			h := taskHealth{ARN: t.ARN, Family: t.Family, Revision: t.Revision}
			for _, c := range t.Containers {
				h.Containers = append(h.Containers, containerHealth{c.Name, c.Status, timestamp(c.Since)})
			}
			r.Tasks = append(r.Tasks, h)
		}
		request, err := encode(r)
		if err != nil {
			return nil, err
		}
		requests = append(requests, request)
	}
	return requests, nil
}

// statusRequest makes the request that reports the instance's status.
func (s *Session) statusRequest(id string, list []instanceStatus, at time.Time) ([]byte, error) {
	return encode(statusRequest{
		Metadata: statusMetadata{Cluster: s.config.Cluster, ContainerInstance: s.config.ContainerInstanceARN, RequestID: id},
		Statuses: list, Timestamp: timestamp(at),
	})
}

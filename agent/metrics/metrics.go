// Package metrics tells Prometheus about the agent (ECS_ENABLE_PROMETHEUS_METRICS). What happens often is counted as it
// happens, through hooks that the parts of the agent call; all else is read from snapshots when somebody asks.
//
// The number of series is bounded by the agent's own words (states, operations, routes): nothing that a task or a container
// may choose is ever a label.
package metrics

import (
	"net/http"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/aws/amazon-ecs-agent/agent/logger"
	"github.com/aws/amazon-ecs-agent/agent/task"
)

const namespace = "ecs_agent"

// Buckets of the histograms, in seconds.
var (
	callBuckets   = []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60}
	diskBuckets   = []float64{.0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5}
	pullBuckets   = []float64{.1, .25, .5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600, 1800}
	launchBuckets = []float64{.25, .5, 1, 2, 3, 5, 7.5, 10, 15, 30, 60, 120, 300, 600, 1800}
)

// Metrics are the counts of one agent. Its hooks may be called at any time, from any goroutine.
type Metrics struct {
	began    time.Time
	registry *prometheus.Registry

	dockerCalls    *prometheus.HistogramVec
	dockerErrors   *prometheus.CounterVec
	pulls          prometheus.Histogram
	pullErrors     prometheus.Counter
	pullBytes      prometheus.Counter
	launches       prometheus.Histogram
	checkpoints    prometheus.Histogram
	checkpointErrs prometheus.Counter
	requests       *prometheus.CounterVec
}

// Build says which agent this is.
type Build struct{ Version, Commit string }

// New gives metrics that know nothing but hooks yet.
func New(build Build) *Metrics {
	m := &Metrics{
		began: time.Now(), registry: prometheus.NewRegistry(),
		dockerCalls: prometheus.NewHistogramVec(prometheus.HistogramOpts{Namespace: namespace, Name: "docker_call_duration_seconds",
			Help: "Time until the Docker daemon began to answer, by operation.", Buckets: callBuckets}, []string{"operation"}),
		dockerErrors: prometheus.NewCounterVec(prometheus.CounterOpts{Namespace: namespace, Name: "docker_call_errors_total",
			Help: "Calls to the Docker daemon that failed or were refused, by operation."}, []string{"operation"}),
		pulls: prometheus.NewHistogram(prometheus.HistogramOpts{Namespace: namespace, Name: "image_pull_duration_seconds",
			Help: "Duration of attempts to pull an image.", Buckets: pullBuckets}),
		pullErrors: prometheus.NewCounter(prometheus.CounterOpts{Namespace: namespace, Name: "image_pull_errors_total",
			Help: "Attempts to pull an image that failed."}),
		pullBytes: prometheus.NewCounter(prometheus.CounterOpts{Namespace: namespace, Name: "image_pull_bytes_total",
			Help: "Bytes of image layers downloaded, as the Docker daemon tells of them."}),
		launches: prometheus.NewHistogram(prometheus.HistogramOpts{Namespace: namespace, Name: "task_launch_duration_seconds",
			Help: "Time from the arrival of a task until it is RUNNING.", Buckets: launchBuckets}),
		checkpoints: prometheus.NewHistogram(prometheus.HistogramOpts{Namespace: namespace, Name: "checkpoint_duration_seconds",
			Help: "Duration of transactions on agent.db.", Buckets: diskBuckets}),
		checkpointErrs: prometheus.NewCounter(prometheus.CounterOpts{Namespace: namespace, Name: "checkpoint_errors_total",
			Help: "Transactions on agent.db that failed; they are tried again."}),
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{Namespace: namespace, Name: "metadata_requests_total",
			Help: "Requests of containers for credentials, metadata and the agent API, by route and status."}, []string{"path", "code"}),
	}
	info := prometheus.NewGauge(prometheus.GaugeOpts{Namespace: namespace, Name: "build_info",
		Help: "Always 1; the labels say which agent this is.", ConstLabels: prometheus.Labels{"version": build.Version, "commit": build.Commit}})
	info.Set(1)
	m.registry.MustRegister(info, m.dockerCalls, m.dockerErrors, m.pulls, m.pullErrors, m.pullBytes, m.launches, m.checkpoints,
		m.checkpointErrs, m.requests, collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{Namespace: namespace}))
	return m
}

// Watch adds what is read from snapshots. It is called once.
func (m *Metrics) Watch(s Sources) { m.registry.MustRegister(snapshots{s}) }

// maxScrapes bounds the answers that are being made at once.
const maxScrapes = 4

// Handler answers in the formats of Prometheus.
func (m *Metrics) Handler() http.Handler {
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{ErrorLog: errorLog{}, MaxRequestsInFlight: maxScrapes, DisableCompression: true})
}

type errorLog struct{}

func (errorLog) Println(v ...any) { logger.Error("Cannot collect metrics", logger.F("reason", v)) }

// DockerCall counts a call to the daemon.
func (m *Metrics) DockerCall(operation string, took time.Duration, failed bool) {
	m.dockerCalls.WithLabelValues(operation).Observe(took.Seconds())
	if failed {
		m.dockerErrors.WithLabelValues(operation).Inc()
	}
}

// ImagePulled counts an attempt to pull an image.
func (m *Metrics) ImagePulled(took time.Duration, bytes int64, failed bool) {
	m.pulls.Observe(took.Seconds())
	m.pullBytes.Add(float64(bytes))
	if failed {
		m.pullErrors.Inc()
	}
}

// Checkpoint counts a transaction on agent.db.
func (m *Metrics) Checkpoint(took time.Duration, failed bool) {
	m.checkpoints.Observe(took.Seconds())
	if failed {
		m.checkpointErrs.Inc()
	}
}

// Request counts an answer to a container; pattern is the route's, empty when there was none.
func (m *Metrics) Request(pattern string, status int) {
	if pattern == "" {
		pattern = "other"
	}
	m.requests.WithLabelValues(pattern, strconv.Itoa(status)).Inc()
}

// TaskChanged counts the launch of a task that has just come up. Tasks that ran already when the agent started are not
// launches.
func (m *Metrics) TaskChanged(t *task.Task) {
	if t.Known != task.Running || t.Internal || t.AcceptedAt.IsZero() || !t.KnownTime.After(m.began) {
		return
	}
	m.launches.Observe(t.KnownTime.Sub(t.AcceptedAt).Seconds())
}

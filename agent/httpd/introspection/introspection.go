// Package introspection tells operators on the host what the agent runs (TCP 51678). The shapes of /v1 are frozen.
package introspection

import (
	"bytes"
	"net/http"
	"net/http/pprof"
	"os"
	"strings"
	"time"

	"github.com/aws/amazon-ecs-agent/agent/httpd"
	"github.com/aws/amazon-ecs-agent/agent/logger"
	"github.com/aws/amazon-ecs-agent/agent/task"
)

// Tasks is what introspection needs of the engine.
type Tasks interface {
	// Tasks gives the present snapshot of every task, in a steady order.
	Tasks() []*task.Task
}

// Agent is what the agent says of itself.
type Agent struct {
	Cluster              string
	ContainerInstanceARN string
	// Version is the line that upgrade tooling parses: "Amazon ECS Agent - v1.2.3 (*0a1b2c3d)".
	Version string
	// Profiling adds the Go profiles (ECS_ENABLE_RUNTIME_STATS).
	Profiling bool
	// Metrics answers /metrics; nil leaves that path to the list of commands.
	Metrics http.Handler
	// Reports gives figures about the reports to ECS for /v1/status; nil leaves them out.
	Reports func() any
	// Sessions, Host and Samples are what the status page shows beside tasks; nil leaves them out.
	Sessions  func() []Session
	Host      func() Host
	Samples   Samples
	StartedAt time.Time
	// Steps gives figures about work that may have to wait for its turn, likewise.
	Steps func() any
}

// The files of /license, looked for in the working directory, and what stands between them.
var (
	licenseFiles     = []string{"LICENSE", "NOTICE", "THIRD-PARTY"}
	licenseSeparator = []byte("\n" + strings.Repeat("=", 80) + "\n")
)

var (
	commands         = []string{"/v1/metadata", "/v1/tasks", "/license"}
	profilingPrefix  = "/debug/pprof/"
	profileCommands  = []string{"", "cmdline", "profile", "symbol", "trace"}
	profileEndpoints = map[string]http.HandlerFunc{"cmdline": pprof.Cmdline, "profile": pprof.Profile, "symbol": pprof.Symbol, "trace": pprof.Trace}
)

// Server is the introspection server.
func Server(agent Agent, tasks Tasks) httpd.Server {
	s := httpd.Server{Name: "introspection endpoint", Address: httpd.IntrospectionAddress, Handler: Handler(agent, tasks)}
	if agent.Profiling {
		s.WriteTimeout = httpd.ProfilingWriteTimeout
	}
	return s
}

// Handler answers every path and every method; unknown paths get the list of the known ones.
func Handler(agent Agent, tasks Tasks) http.Handler {
	list := struct{ AvailableCommands []string }{commands}
	if agent.Profiling {
		for _, name := range profileCommands {
			list.AvailableCommands = append(list.AvailableCommands, profilingPrefix+name)
		}
	}
	_, listing := httpd.Encode(http.StatusOK, list)
	metadata := httpd.Keep(struct {
		Cluster              string
		ContainerInstanceArn string
		Version              string
	}{agent.Cluster, agent.ContainerInstanceARN, agent.Version})
	cached := &cache{tasks: tasks}

	return httpd.CleanPath(httpd.AccessLog(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch path := r.URL.Path; {
		case path == "/v1/metadata":
			metadata.Give(w, "introspection/agent")
		case path == "/v1/tasks":
			cached.serve(w, r)
		case path == "/v1/status":
			httpd.JSON(w, http.StatusOK, "introspection/status", statusOf(tasks.Tasks(), agent.Reports, agent.Steps))
		case path == "/metrics" && agent.Metrics != nil:
			agent.Metrics.ServeHTTP(w, r)
		case path == "/v1/overview":
			httpd.JSON(w, http.StatusOK, "introspection/overview", overviewOf(agent, tasks.Tasks(), time.Now().UTC()))
		case wantsPage(r):
			servePage(w)
		case path == "/license":
			serveLicense(w)
		case agent.Profiling && strings.HasPrefix(path, profilingPrefix):
			serveProfile(w, r)
		default:
			httpd.TextUTF8(w, http.StatusOK, "introspection", listing)
		}
	})))
}

func serveProfile(w http.ResponseWriter, r *http.Request) {
	if endpoint, has := profileEndpoints[strings.TrimPrefix(r.URL.Path, profilingPrefix)]; has {
		endpoint(w, r)
		return
	}
	pprof.Index(w, r)
}

func serveLicense(w http.ResponseWriter) {
	const request = "introspection/license"
	var texts [][]byte
	for _, name := range licenseFiles {
		text, err := os.ReadFile(name)
		if err != nil {
			logger.Error("Cannot read license file", logger.Err(err))
			httpd.Text(w, http.StatusInternalServerError, request, nil)
			return
		}
		texts = append(texts, text)
	}
	httpd.Text(w, http.StatusOK, request, bytes.Join(texts, licenseSeparator))
}

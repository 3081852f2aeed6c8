package mapping

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/aws/amazon-ecs-agent/agent/credentials"
	"github.com/aws/amazon-ecs-agent/agent/goldenfile"
	"github.com/aws/amazon-ecs-agent/agent/task"
)

// goldenInput is a file testdata/<case>.json. The task is in the form of agent.db.
type goldenInput struct {
	Title string
	Facts goldenFacts
	// Complete asks for the body as it goes over the wire; otherwise members that are empty are left out.
	Complete bool
	Task     task.Task
}

type goldenFacts struct {
	Cluster, Region                         string
	IPv6Only, CgroupV2, PropagateTaskMemory bool
	OldServer, ImageSetsRegion              bool
	PauseLabels                             map[string]string
	Runtime                                 string
	DeviceRequests, Neuron                  bool
	Credentials                             []string // ids that are held
	BusyPorts                               []uint16
	// Secrets that were fetched, by what they were asked for.
	Secrets map[string]string
	// Files are the variables of the container's environment files; without any they cannot be read.
	Files []map[string]string
	// Bridge are the addresses on Docker's bridge that the containers have once they run.
	Bridge        map[string]string
	FirelensAsync bool
}

func (g goldenFacts) facts() *Facts {
	store := &credentials.Store{}
	for _, id := range g.Credentials {
		store.Set(credentials.Credentials{ID: id})
	}
	return &Facts{
		Cluster: g.Cluster, Region: g.Region, IPv6Only: g.IPv6Only, CgroupV2: g.CgroupV2, CgroupSlices: g.CgroupV2,
		PropagateTaskMemory: g.PropagateTaskMemory, PauseLabels: g.PauseLabels,
		Runtime:         g.Runtime,
		HostDataDir:     "/var/lib/ecs",
		FirelensAsync:   g.FirelensAsync,
		Accelerators:    Accelerators{DeviceRequests: g.DeviceRequests, Neuron: g.Neuron},
		Credentials:     store,
		Ports:           poolWithout(task.PortRange{First: 40000, Last: 40100}, g.BusyPorts...),
		ImageSetsRegion: func(*task.Container) bool { return g.ImageSetsRegion },
		ServerAtLeast:   func(int, int, int) (bool, error) { return !g.OldServer, nil },
		LogsEndpoint:    fakeLogsEndpoint,
		Secret: func(_ *task.Task, s task.Secret) (string, error) {
			if value, fetched := g.Secrets[s.ValueFrom]; fetched {
				return value, nil
			}
			return "", errors.New("no value was fetched for secret " + s.Name)
		},
		EnvironmentFiles: func(*task.Task, *task.Container) ([]map[string]string, error) {
			if g.Files == nil {
				return nil, errors.New("the files are gone")
			}
			return g.Files, nil
		},
	}
}

// poolWithout gives a pool where the busy ports have listeners of other programs.
func poolWithout(ports task.PortRange, busy ...uint16) *PortPool {
	return NewPortPool(ports, func(port uint16, _ task.Protocol) bool { return !slices.Contains(busy, port) })
}

func fakeLogsEndpoint(region string, dualStack bool) (string, error) {
	if region == "unknown" {
		return "", errors.New("unknown region")
	}
	if dualStack {
		return "https://logs." + region + ".dual.example", nil
	}
	return "https://logs." + region + ".example", nil
}

// goldenOutput is what happened to one container.
type goldenOutput struct {
	Name         string            `json:"name,omitempty"`
	Body         any               `json:"body,omitempty"`
	SinglePorts  task.PortSet      `json:"singlePorts,omitempty"`
	HostRanges   map[string]string `json:"hostRanges,omitempty"`
	HasPortRange bool              `json:"hasPortRange,omitempty"`
	Error        string            `json:"error,omitempty"`
}

// Each testdata/<case>.json holds a task; <case>.golden holds the create requests of its containers, in order.
func TestRequestsMatchTheGoldenFiles(t *testing.T) {
	inputs, err := filepath.Glob("testdata/*.json")
	if err != nil || len(inputs) == 0 {
		t.Fatalf("no golden inputs: %v", err)
	}
	for _, file := range inputs {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".json"), func(t *testing.T) {
			got := render(t, readInput(t, file))
			goldenfile.Check(t, strings.TrimSuffix(file, ".json")+".golden", got)
		})
	}
}

func readInput(t *testing.T, file string) goldenInput {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var in goldenInput
	if err := json.Unmarshal(data, &in); err != nil {
		t.Fatalf("%s: %v", file, err)
	}
	return in
}

// render maps all containers of the input as the engine does, one after the other, each with a name and an endpoint id.
func render(t *testing.T, in goldenInput) []byte {
	t.Helper()
	facts := in.Facts.facts()
	for _, c := range in.Task.Containers {
		c.RuntimeName = "ecs-" + in.Task.Family + "-" + in.Task.Revision + "-" + cleanName(c.Name) + "-0123456789abcdef0123"
		c.EndpointID = "endpoint-" + c.Name
	}
	var out []goldenOutput
	for _, c := range in.Task.Containers {
		request, err := Create(&in.Task, c, facts)
		if err != nil {
			out = append(out, goldenOutput{Error: err.Error()})
			continue
		}
		c.RuntimeID = "id-of-" + c.Name
		if address := in.Facts.Bridge[c.Name]; address != "" {
			c.Networks = []task.Network{{Name: "bridge", IPv4: address}}
		}
		out = append(out, goldenOutput{Name: request.Name, Body: plainBody(t, request, in.Complete),
			SinglePorts: request.SinglePorts, HostRanges: request.HostRanges, HasPortRange: request.HasPortRange})
	}
	text, err := json.MarshalIndent(out, "", " ")
	if err != nil {
		t.Fatal(err)
	}
	return append(text, '\n')
}

func plainBody(t *testing.T, r *Request, complete bool) any {
	t.Helper()
	data, err := json.Marshal(r.Body())
	if err != nil {
		t.Fatal(err)
	}
	var body any
	if err := json.Unmarshal(data, &body); err != nil {
		t.Fatal(err)
	}
	if complete {
		return body
	}
	return withoutEmpty(body)
}

// withoutEmpty drops members that are null, false, zero or empty; nil when nothing is left.
func withoutEmpty(v any) any {
	switch v := v.(type) {
	case map[string]any:
		for key, member := range v {
			// An exposed port is a key with an empty object.
			if v[key] = withoutEmpty(member); v[key] == nil && !strings.Contains(key, "/") {
				delete(v, key)
			}
		}
		if len(v) == 0 {
			return nil
		}
	case []any:
		if !slices.ContainsFunc(v, func(x any) bool { return withoutEmpty(x) != nil }) {
			return nil
		}
	case string, float64, bool:
		if v == "" || v == 0.0 || v == false {
			return nil
		}
	}
	return v
}

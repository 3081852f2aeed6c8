package metrics

import (
	"encoding/json"
	"os"
	"regexp"
	"strings"
	"testing"
)

var metricName = regexp.MustCompile(`\b(?:ecs_agent|go)_[a-z_]+`)

// known gives the names of all metrics of a busy agent, and those of their series.
func known(t *testing.T) map[string]bool {
	t.Helper()
	families, err := busy().registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	names := map[string]bool{}
	for _, f := range families {
		names[f.GetName()] = true
		if f.GetType().String() == "HISTOGRAM" {
			for _, suffix := range []string{"_bucket", "_count", "_sum"} {
				names[f.GetName()+suffix] = true
			}
		}
	}
	return names
}

func TestTheDashboardAsksForWhatThereIs(t *testing.T) {
	text, err := os.ReadFile("../../misc/grafana/ecs-agent.json")
	if err != nil {
		t.Fatal(err)
	}
	var dashboard struct {
		Panels []struct {
			Title   string
			Targets []struct{ Expr string }
		}
	}
	if err := json.Unmarshal(text, &dashboard); err != nil {
		t.Fatal(err)
	}
	names, asked := known(t), 0
	for _, p := range dashboard.Panels {
		for _, target := range p.Targets {
			for _, name := range metricName.FindAllString(target.Expr, -1) {
				asked++
				if !names[name] {
					t.Errorf("panel %q asks for %s", p.Title, name)
				}
			}
		}
	}
	if asked == 0 {
		t.Error("no panel asks for anything")
	}
}

// TestEveryMetricIsDocumented holds doc/metrics.md complete, and free of names that do not exist.
func TestEveryMetricIsDocumented(t *testing.T) {
	text, err := os.ReadFile("../../doc/metrics.md")
	if err != nil {
		t.Fatal(err)
	}
	names := known(t)
	for name := range names {
		if strings.HasPrefix(name, "ecs_agent_") && !strings.HasPrefix(name, "ecs_agent_process_") && !strings.HasSuffix(name, "_bucket") &&
			!strings.HasSuffix(name, "_count") && !strings.HasSuffix(name, "_sum") && !strings.Contains(string(text), "`"+name+"`") {
			t.Errorf("%s is not documented", name)
		}
	}
	for _, name := range metricName.FindAllString(string(text), -1) {
		if !names[name] && name != "ecs_agent_process_" {
			t.Errorf("%s is documented, but does not exist", name)
		}
	}
}

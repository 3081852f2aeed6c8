package logger

import (
	"strings"
	"testing"

	"github.com/aws/amazon-ecs-agent/agent/goldenfile"
)

func mapLookup(env map[string]string) func(string) (string, bool) {
	return func(name string) (string, bool) { v, ok := env[name]; return v, ok }
}

func TestLevels(t *testing.T) {
	var cases []struct {
		Name                             string
		Env                              map[string]string
		Both, DriverFlag, OnInstanceFlag string
		Driver, OnInstance, Problem      string
	}
	goldenfile.Read(t, "testdata/levels.json", &cases)
	for _, c := range cases {
		t.Run(c.Name, func(t *testing.T) {
			o := FromEnvironment(mapLookup(c.Env), LevelFlags{Both: c.Both, Driver: c.DriverFlag, OnInstance: c.OnInstanceFlag})
			if o.DriverLevel.String() != c.Driver || o.FileLevel.String() != c.OnInstance {
				t.Errorf("driver %v, on-instance %v; want %s, %s", o.DriverLevel, o.FileLevel, c.Driver, c.OnInstance)
			}
			var problems []string
			for _, p := range o.Problems {
				problems = append(problems, p.Message)
			}
			if got := strings.Join(problems, "; "); got != c.Problem {
				t.Errorf("problems %q, want %q", got, c.Problem)
			}
		})
	}
}

func TestRotationVariables(t *testing.T) {
	for _, c := range []struct {
		name                  string
		rollover, size, count string
		want                  Rotation
		problems              int
	}{
		{"defaults", "", "", "", Rotation{RolloverSize, 5_000_000, 24}, 0},
		{"size", "size", "0.0015", "3", Rotation{RolloverSize, 1500, 3}, 0},
		{"truncated to bytes", "size", "0.0000019", "3", Rotation{RolloverSize, 1, 3}, 0},
		{"none", "none", "", "", Rotation{RolloverNone, 5_000_000, 24}, 0},
		{"hourly", "hourly", "", "", Rotation{RolloverHourly, 5_000_000, 24}, 0},
		{"date", "date", "", "", Rotation{RolloverHourly, 5_000_000, 24}, 0},
		{"anything else is hourly", "weekly", "", "", Rotation{RolloverHourly, 5_000_000, 24}, 0},
		{"unlimited", "", "", "-1", Rotation{RolloverSize, 5_000_000, -1}, 0},
		{"unparsable numbers", "", "big", "many", Rotation{RolloverSize, 5_000_000, 24}, 2},
		{"no size", "", "0", "", Rotation{RolloverSize, 5_000_000, 24}, 1},
		{"negative size", "", "-1", "", Rotation{RolloverSize, 5_000_000, 24}, 1},
		{"not a number", "", "NaN", "", Rotation{RolloverSize, 5_000_000, 24}, 1},
		{"infinite", "", "Inf", "", Rotation{RolloverSize, 5_000_000, 24}, 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			o := FromEnvironment(mapLookup(map[string]string{
				"ECS_LOG_ROLLOVER_TYPE": c.rollover, "ECS_LOG_MAX_FILE_SIZE_MB": c.size, "ECS_LOG_MAX_ROLL_COUNT": c.count,
			}), LevelFlags{})
			if o.Rotation != c.want {
				t.Errorf("got %+v, want %+v", o.Rotation, c.want)
			}
			if len(o.Problems) != c.problems {
				t.Errorf("problems: %v", o.Problems)
			}
		})
	}
}

func TestAuditRotationNeverGrowsUnbounded(t *testing.T) {
	if got := (Rotation{Type: RolloverNone, MaxFiles: 7}).Always(); got != (Rotation{Type: RolloverHourly, MaxFiles: 7}) {
		t.Errorf("got %+v", got)
	}
	if got := (Rotation{Type: RolloverSize, MaxBytes: 1}).Always(); got.Type != RolloverSize {
		t.Errorf("got %+v", got)
	}
}

func TestOutputFormatVariable(t *testing.T) {
	for value, want := range map[string]Format{"": FormatLogfmt, "logfmt": FormatLogfmt, "json": FormatJSON, "JSON\r": FormatJSON, "xml": FormatLogfmt} {
		o := FromEnvironment(mapLookup(map[string]string{"ECS_LOG_OUTPUT_FORMAT": value}), LevelFlags{})
		if o.Format != want {
			t.Errorf("%q: got %v, want %v", value, o.Format, want)
		}
		if (len(o.Problems) > 0) != (value == "xml") {
			t.Errorf("%q: problems %v", value, o.Problems)
		}
	}
}

package registration

import (
	"testing"

	"github.com/aws/amazon-ecs-agent/agent/config"
	"github.com/aws/amazon-ecs-agent/agent/goldenfile"
)

func TestRestore(t *testing.T) {
	var cases []struct {
		Name  string
		Saved struct {
			InstanceID, Cluster, ARN, AZ string
			Tasks                        []struct{ MemoryCPULimitsEnabled bool }
		}
		Current                                               struct{ InstanceID, Cluster, TaskCPUMemLimit string }
		Outcome, EffectiveCluster, KeptInstanceID, Error, Log string
		SideEffect                                            string
		Exit                                                  int
	}
	goldenfile.Read(t, "testdata/identity.json", &cases)
	for _, c := range cases {
		t.Run(c.Name, func(t *testing.T) {
			setting := config.Toggle{Enabled: c.Current.TaskCPUMemLimit != "", Explicit: c.Current.TaskCPUMemLimit == "true"}
			limits, err := CheckTaskLimits(setting, len(c.Saved.Tasks) > 0 && !c.Saved.Tasks[0].MemoryCPULimitsEnabled)
			var id Identity
			if err == nil {
				id, err = Restore(Saved{InstanceID: c.Saved.InstanceID, Cluster: c.Saved.Cluster, ContainerInstanceARN: c.Saved.ARN, AvailabilityZone: c.Saved.AZ},
					c.Current.InstanceID, c.Current.Cluster)
			}
			if c.Exit != 0 {
				if err == nil || ExitCode(err) != c.Exit || c.Error != "" && err.Error() != c.Error {
					t.Errorf("got %v, want exit %d %s", err, c.Exit, c.Error)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			outcome := "register new"
			if id.ContainerInstanceARN != "" {
				outcome = "re-register " + id.ContainerInstanceARN
			}
			if id.DropState {
				outcome = "drop state, " + outcome
			}
			if outcome != c.Outcome {
				t.Errorf("got %q, want %q", outcome, c.Outcome)
			}
			wantCluster, wantID := c.Current.Cluster, c.Current.InstanceID
			if c.EffectiveCluster != "" {
				wantCluster = c.EffectiveCluster
			}
			if c.KeptInstanceID != "" {
				wantID = c.KeptInstanceID
			}
			if id.Cluster != wantCluster || id.InstanceID != wantID {
				t.Errorf("got %+v", id)
			}
			if (c.SideEffect == "task limits off") != (setting.Enabled && !limits) {
				t.Errorf("task limits %v", limits)
			}
		})
	}
}

func TestManifestSequence(t *testing.T) {
	n := int64(17)
	for _, c := range []struct {
		name    string
		saved   Saved
		current string
		want    int64
	}{
		{"nothing saved at all", Saved{}, "i-1", -1},
		{"no manifest saved", Saved{InstanceID: "i-1"}, "i-1", 0},
		{"saved", Saved{InstanceID: "i-1", ManifestSequence: &n}, "i-1", 17},
		{"of another instance", Saved{InstanceID: "i-0", ManifestSequence: &n}, "i-1", -1},
	} {
		if id, err := Restore(c.saved, c.current, "c"); err != nil || id.ManifestSequence != c.want {
			t.Errorf("%s: got %d, %v; want %d", c.name, id.ManifestSequence, err, c.want)
		}
	}
}

func TestSameCluster(t *testing.T) {
	const arn = "arn:aws:ecs:us-west-2:123456789012:cluster/prod"
	for _, c := range []struct {
		a, b string
		want bool
	}{
		{"prod", "prod", true},
		{"prod", arn, true},
		{arn, "prod", true},
		{arn, arn, true},
		{"prod", "test", false},
		{arn, "test", false},
		{arn, "arn:aws:ecs:us-east-1:123456789012:cluster/prod", false},
		{"prod", "x:cluster/prod", false},
	} {
		if got := sameCluster(c.a, c.b); got != c.want {
			t.Errorf("%s, %s: %v", c.a, c.b, got)
		}
	}
}

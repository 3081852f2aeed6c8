package store

import (
	"bytes"
	"errors"
	"testing"

	"github.com/aws/amazon-ecs-agent/agent/task"
)

func TestClusterHasToBeTheSameText(t *testing.T) {
	const arn = "arn:aws:ecs:us-west-2:111122223333:cluster/prod"
	tests := []struct{ saved, configured, want string }{
		{"", "prod", ""},
		{"prod", "prod", ""},
		{"default", "", ""},
		{"prod", "", "Data mismatch; saved cluster 'prod' does not match configured cluster 'default'. Perhaps you want to delete the configured checkpoint file?"},
		{arn, "prod", "Data mismatch; saved cluster '" + arn + "' does not match configured cluster 'prod'. Perhaps you want to delete the configured checkpoint file?"},
	}
	for _, tc := range tests {
		got := ""
		if err := (&State{Metadata: Metadata{Cluster: tc.saved}}).CheckCluster(tc.configured); err != nil {
			got = err.Error()
		}
		if got != tc.want {
			t.Errorf("saved %q, configured %q: %q, want %q", tc.saved, tc.configured, got, tc.want)
		}
	}
}

func TestOtherInstance(t *testing.T) {
	tests := []struct{ saved, current, want string }{
		{"", "i-2", ""},
		{"i-1", "i-1", ""},
		{"i-1", "", ""}, // instance metadata did not answer: valid state stays
		{"i-1", "i-2", "Data mismatch; saved InstanceID 'i-1' does not match current InstanceID 'i-2'. Overwriting old datafile"},
	}
	for _, tc := range tests {
		if got := (&State{Metadata: Metadata{EC2InstanceID: tc.saved}}).OtherInstance(tc.current); got != tc.want {
			t.Errorf("saved %q, current %q: %q, want %q", tc.saved, tc.current, got, tc.want)
		}
	}
}

func TestWithoutLimits(t *testing.T) {
	with, without := &task.Task{LimitsEnabled: true}, &task.Task{}
	for _, tc := range []struct {
		tasks []*task.Task
		want  bool
	}{{nil, false}, {[]*task.Task{with}, false}, {[]*task.Task{with, without}, true}} {
		if got := (&State{Tasks: tc.tasks}).WithoutLimits(); got != tc.want {
			t.Errorf("%d tasks: %v, want %v", len(tc.tasks), got, tc.want)
		}
	}
}

func TestVersionsCompareFromTheLeft(t *testing.T) {
	tests := []struct {
		a, b             string
		less, comparable bool
	}{
		{"1.9.0", "1.10.0", true, true},
		{"2.0.0", "1.5.0", false, true},
		{"1.5.9", "2.0.0", true, true},
		{"1.105.1", "1.105.1", false, true},
		{"1.0.0", "1.0.1", true, true},
		{"", "1.0.0", false, false},
		{"1.0", "1.0.0", false, false},
		{"1.0.x", "1.0.0", false, false},
		{"-1.0.0", "1.0.0", false, false},
	}
	for _, tc := range tests {
		if less, comparable := versionLess(tc.a, tc.b); less != tc.less || comparable != tc.comparable {
			t.Errorf("%q < %q: %v, %v; want %v, %v", tc.a, tc.b, less, comparable, tc.less, tc.comparable)
		}
	}
}

func TestMigrationsApplyToOlderWritersInOrder(t *testing.T) {
	add := func(b byte) func([]byte) ([]byte, error) {
		return func(r []byte) ([]byte, error) { return append(bytes.Clone(r), b), nil }
	}
	chain := []migration{{"1.0.0", add('a')}, {"1.2.0", add('b')}, {"2.0.0", add('c')}}
	for writer, want := range map[string]string{"0.9.0": "-abc", "1.0.0": "-bc", "1.10.0": "-c", "2.0.0": "-", "": "-", "dev": "-"} {
		got, err := migrate(chain, writer, []byte("-"))
		if err != nil || string(got) != want {
			t.Errorf("writer %q: %s, %v; want %s", writer, got, err, want)
		}
	}
	broken := []migration{{"1.0.0", func([]byte) ([]byte, error) { return nil, errors.New("no") }}}
	if _, err := migrate(broken, "0.1.0", nil); err == nil {
		t.Error("a failing migration passed")
	}
}

package acs

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/aws/amazon-ecs-agent/agent/goldenfile"
	"github.com/aws/amazon-ecs-agent/agent/task"
)

func TestTaskManifest(t *testing.T) {
	var golden struct {
		Cases []struct {
			Name               string
			Known, KnownAfter  int64
			Engine             map[string]string
			Receive            json.RawMessage
			Send, SendAnyOrder []envelope
		}
	}
	goldenfile.Read(t, "testdata/task_manifest.json", &golden)
	for _, c := range golden.Cases {
		t.Run(c.Name, func(t *testing.T) {
			b := newBench(c.Known)
			for _, name := range slices.Sorted(maps.Keys(c.Engine)) {
				word, internal, _ := strings.Cut(c.Engine[name], " ")
				desired, err := task.ParseStatus(word)
				if err != nil {
					t.Fatal(err)
				}
				b.engine.add(&task.Task{ARN: taskPrefix + name, Desired: desired, Internal: internal != ""})
			}
			same(t, "answers", b.receive(t, c.Receive), expected(t, append(c.Send, c.SendAnyOrder...)))
			if b.known != c.KnownAfter || b.manifest.seq != c.KnownAfter {
				t.Errorf("sequence number %d, saved %d, want %d", b.known, b.manifest.seq, c.KnownAfter)
			}
			if len(b.engine.stopped) > 0 {
				t.Error("stopped something without asking")
			}
		})
	}
}

func manifest(id, timeline, tasks string) []byte {
	return frame("TaskManifestMessage", `{"messageId":"`+id+`","clusterArn":"c","containerInstanceArn":"i","timeline":`+timeline+`,"tasks":`+tasks+`}`)
}

// A manifest of which a part is missing must not make tasks look unwanted.
func TestGarbledManifests(t *testing.T) {
	for _, m := range [][]byte{
		manifest("m", "null", "[]"),
		manifest("m", "5", "[null]"),
		manifest("m", "5", `[{"desiredStatus":"RUNNING"}]`),
		manifest("m", "5", `[{"taskArn":"a"}]`),
	} {
		b := newBench(1)
		b.engine.add(&task.Task{ARN: "a", Desired: task.Running})
		if got := b.receive(t, m); len(got) > 0 || b.known != 1 || b.manifestID != "" {
			t.Errorf("%s: answered %v, known %d, id %q", m, got, b.known, b.manifestID)
		}
	}
}

func TestManifestThatCannotBeSaved(t *testing.T) {
	b := newBench(1)
	b.manifest.fail = true
	if got := b.receive(t, manifest("m", "5", "[]")); len(got) > 0 {
		t.Errorf("answered %v", got)
	}
	b.manifest.fail = false
	if got := b.receive(t, manifest("m", "5", "[]")); len(got) != 1 {
		t.Errorf("the same manifest again: answered %v", got)
	}
}

// An older manifest that overtakes a payload must not stop its tasks, also after a restart of the agent.
func TestManifestOlderThanAPayload(t *testing.T) {
	b := newBench(-1)
	b.receive(t, message(`[{"arn":"a","desiredStatus":"RUNNING"}]`)) // sequence number 9
	for range 2 {
		if got := b.receive(t, manifest("m", "8", "[]")); len(got) > 0 {
			t.Errorf("answered %v", got)
		}
		restarted := newBench(b.manifest.seq)
		restarted.engine = b.engine
		b = restarted
	}
}

func TestStopVerification(t *testing.T) {
	var golden struct {
		Cases []struct {
			RememberedID      string
			RememberedIDAfter *string
			Engine, Stopped   []string
			Receive           json.RawMessage
			Log               string
		}
	}
	goldenfile.Read(t, "testdata/task_stop_verification_ack.json", &golden)
	for _, c := range golden.Cases {
		b := newBench(0)
		b.manifestID = c.RememberedID
		for _, name := range c.Engine {
			b.engine.add(&task.Task{ARN: taskPrefix + name, Desired: task.Running})
		}
		logged := logs.Mark()
		if got := b.receive(t, c.Receive); len(got) > 0 {
			t.Errorf("answered %v", got)
		}
		stopped := []string{}
		for _, arn := range b.engine.stopped {
			stopped = append(stopped, strings.TrimPrefix(arn, taskPrefix))
		}
		same(t, "stopped", stopped, c.Stopped)
		if c.RememberedIDAfter != nil && b.manifestID != *c.RememberedIDAfter {
			t.Errorf("remembers %q", b.manifestID)
		}
		if !strings.Contains(logged(), c.Log) {
			t.Errorf("logged %s, want %s", logged(), c.Log)
		}
	}
}

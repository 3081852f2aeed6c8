package store

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/aws/amazon-ecs-agent/agent/task"
)

func withLegacy(t *testing.T, text []byte) (dir string) {
	t.Helper()
	dir = t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "ecs_agent_data.json"), text, 0o600); err != nil {
		t.Fatal(err)
	}
	return dir
}

func testdata(t *testing.T, name string) []byte {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func TestImportsTheFirstFormat(t *testing.T) {
	state := load(t, openStore(t, withLegacy(t, testdata(t, "legacy-v1.json"))))
	if len(state.Lost) != 0 || len(state.Tasks) != 1 {
		t.Fatalf("%d tasks, lost %v", len(state.Tasks), state.Lost)
	}
	if state.Metadata.Cluster != "test" || state.Metadata.EC2InstanceID != "i-00000000" || state.ManifestSequence != 0 {
		t.Errorf("metadata %+v", state.Metadata)
	}
	data, _ := state.Tasks[0].Container("data-volume-container")
	if data.Known != task.ContainerStopped || data.Type != task.Normal || data.TaskARN != state.Tasks[0].ARN {
		t.Errorf("DEAD container with a boolean type came back as %+v", data)
	}
	if data.RuntimeID != "c8bd6f423f9206f805d21ab4e3676bb5cc42ba0fe071f48d76de70853c8e1766" || data.RuntimeName != "ecs-volumes-5-data-volume-container-94feacb5c6ec87f8b301" {
		t.Errorf("not tied to its Docker container: %q %q", data.RuntimeID, data.RuntimeName)
	}
	if data.EndpointID != "" {
		t.Error("a metadata endpoint was made up for a container that does not know it")
	}
}

func TestImportBecomesRecords(t *testing.T) {
	dir := withLegacy(t, testdata(t, "legacy-v25.json"))
	s := openStore(t, dir)
	state := load(t, s)
	if state.ManifestSequence != 7 || state.Metadata.AvailabilityZone != "us-west-2b" || state.Tasks[0].LocalIPAddress != "169.254.172.3" {
		t.Errorf("state %+v, task %+v", state, state.Tasks[0])
	}
	closeStore(t, s)
	found := contents(t, dir)
	if found["metadata"]["agent-version"] != nil {
		t.Error("agent-version was written before the registration: an interrupted import would not be repeated")
	}
	if string(found["metadata"]["task-manifest-seq-num"]) != `"7"` {
		t.Errorf("manifest number %s", found["metadata"]["task-manifest-seq-num"])
	}
	for bucket, key := range map[string]string{
		"tasks":          "70947c96-f64e-483a-a612-3fd4303546e7",
		"containers":     "70947c96-f64e-483a-a612-3fd4303546e7-sleep",
		"images":         "sha256:bdc74663f4992a185e2775f63abcc1a19186cc5ec22fa2957db8ee88ad09dceb",
		"eniattachments": "0f6b1c6e-5a0f-4b8a-9c0d-1f2e3d4c5b6a",
	} {
		if found[bucket][key] == nil {
			t.Errorf("no %s in %s, only %v", key, bucket, keys(found[bucket]))
		}
	}
	if _, err := os.Stat(filepath.Join(dir, legacyName)); err != nil {
		t.Errorf("the old file is gone: %v", err)
	}

	s = openStore(t, dir)
	if again := load(t, s); len(again.Tasks) != 1 || again.Tasks[0].Containers[0].RuntimeName == "" {
		t.Errorf("repeated import: %+v", again)
	}
	s.SaveMetadata(Metadata{AgentVersion: "1.0.0", Cluster: "state-file"})
	s.DeleteTask(state.Tasks[0])
	closeStore(t, s)
	if after := load(t, openStore(t, dir)); len(after.Tasks) != 0 {
		t.Error("the old file was read again after the registration")
	}
}

func TestFreshHostStartsCountingManifestsAtZero(t *testing.T) {
	dir := t.TempDir()
	s := openStore(t, dir)
	if state := load(t, s); state.ManifestSequence != 0 {
		t.Errorf("sequence %d", state.ManifestSequence)
	}
	closeStore(t, s)
	if got := string(contents(t, dir)["metadata"]["task-manifest-seq-num"]); got != `"0"` {
		t.Errorf("saved %s", got)
	}
}

func TestNewerLegacyFormatIsRefused(t *testing.T) {
	s := openStore(t, withLegacy(t, []byte(`{"Data":{},"Version":32}`)))
	if _, err := s.Load(); err == nil || !strings.Contains(err.Error(), "Unsupported data format: Version 32 not 31") {
		t.Errorf("Load: %v", err)
	}
}

func TestOddLegacyFilesAreNoObstacle(t *testing.T) {
	const arn = "arn:aws:ecs:us-west-2:111122223333:task/abc"
	file := func(engine string) string { return fmt.Sprintf(`{"Data":{"TaskEngine":%s},"Version":31}`, engine) }
	tests := map[string]struct{ text, lost, arn string }{
		"not JSON":           {`{"Data":`, "", ""},
		"unknown key":        {`{"Data":{"Mystery":1},"Version":3}`, "", ""},
		"member of odd type": {`{"Data":{"Cluster":[]},"Version":3}`, "cannot unmarshal array", ""},
		"no task for id":     {file(`{"IdToContainer":{"d1":{}},"IdToTask":{}}`), "Could not unmarshal state; incomplete save. There was no task for docker id d1", ""},
		"no task for arn":    {file(`{"IdToContainer":{"d1":{}},"IdToTask":{"d1":"` + arn + `"}}`), "Could not unmarshal state; incomplete save. There was no task for arn " + arn, arn},
		"no such container": {file(`{"Tasks":[{"Arn":"` + arn + `"}],"IdToContainer":{"d1":{"Container":{"Name":"web"}}},"IdToTask":{"d1":"` + arn + `"}}`),
			"Could not resolve a container into a task based on name: web", arn},
		"bad task":           {file(`{"Tasks":[{"Arn":"` + arn + `","KnownStatus":"ODD"}]}`), `Unrecognized TaskStatus "ODD"`, arn},
		"image without id":   {file(`{"ImageStates":[{}]}`), "failed to generate database image id", ""},
		"attachment without": {file(`{"ENIAttachments":[{"attachmentArn":"x/"}]}`), "without an id", ""},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			dir := withLegacy(t, []byte(tc.text))
			state := load(t, openStore(t, dir))
			switch {
			case tc.lost == "" && len(state.Lost) > 0:
				t.Errorf("lost %v", state.Lost)
			case tc.lost != "" && (len(state.Lost) != 1 || !strings.Contains(state.Lost[0].Err.Error(), tc.lost) || state.Lost[0].TaskARN != tc.arn):
				t.Errorf("lost %v, want %q of %q", state.Lost, tc.lost, tc.arn)
			}
		})
	}
}

// FuzzLegacy takes anything for a legacy file: it is read, refused or put aside, and never ends the process.
func FuzzLegacy(f *testing.F) {
	for _, name := range []string{"legacy-v1.json", "legacy-v25.json"} {
		data, err := os.ReadFile(filepath.Join("testdata", name))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		state := &State{}
		if _, err := readLegacy(data, state); err != nil {
			return
		}
		for _, tk := range state.Tasks {
			if _, err := task.IDFromARN(tk.ARN); err != nil {
				t.Errorf("took in a task that has no id: %q", tk.ARN)
			}
			if _, err := json.Marshal(tk); err != nil && !strings.Contains(err.Error(), "attachment placeholder") {
				t.Errorf("cannot be saved: %v", err)
			}
		}
	})
}

package store

import (
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/aws/amazon-ecs-agent/agent/task"
)

// reference is a database as an agent of another make writes it: a running task whose container record is newer than
// the copy in the task, an awsvpc task with a container that is pulled and not created, attachments, an image.
func reference(t testing.TB) map[string]map[string]json.RawMessage {
	t.Helper()
	data, err := os.ReadFile("testdata/reference.json")
	if err != nil {
		t.Fatal(err)
	}
	var db map[string]map[string]json.RawMessage
	if err := json.Unmarshal(data, &db); err != nil {
		t.Fatal(err)
	}
	return db
}

const (
	orders   = "9d1c2ab04f5e4e0c8a55d0f3b7c61a42"
	ordersVP = "2f0c6b3ad4a94d5c8d1f5a1be4a3c001"
)

func TestTakesOverTheDatabaseOfAnotherAgent(t *testing.T) {
	dir := t.TempDir()
	fill(t, dir, reference(t))
	state := load(t, openStore(t, dir))
	if len(state.Lost) != 0 {
		t.Fatalf("lost %v", state.Lost)
	}
	want := Metadata{"1.105.1", "us-west-2a", "default", "arn:aws:ecs:us-west-2:111122223333:container-instance/default/ea27e41bc6e445a9a7a0484c95abece7", "i-0123456789abcdef0"}
	if state.Metadata != want || state.ManifestSequence != 7 {
		t.Errorf("metadata %+v, sequence %d", state.Metadata, state.ManifestSequence)
	}
	if len(state.Tasks) != 2 {
		t.Fatalf("%d tasks, want 2", len(state.Tasks))
	}
	vpc, plain := state.Tasks[0], state.Tasks[1]
	web, _ := plain.Container("web")
	if web.Known != task.ContainerRunning || web.RuntimeName != "ecs-orders-6-web-b4a2c7d1e9f0a3b5c801" || len(web.RuntimeID) != 64 {
		t.Errorf("the container record did not replace the copy in the task: %+v", web)
	}
	if init, _ := plain.Container("init"); init.Known != task.ContainerStopped || init.ExitCode == nil || *init.ExitCode != 0 {
		t.Errorf("a container without a record lost the copy in its task: %+v", init)
	}
	if plain.ServiceConnect != nil {
		t.Error("a task without a service-connect container uses Service Connect")
	}
	if list := state.Attachments; len(list) != 1 || list[0].Type != task.AttachmentTaskENI || list[0].MAC != "02:22:33:44:55:66" || !list[0].Sent || list[0].Status != task.AttachmentAttached {
		t.Errorf("attachments %+v", list)
	}
	if c := vpc.Containers[0]; c.RuntimeID != "" || c.Known != task.ContainerPulled || vpc.LocalIPAddress != "169.254.172.2" || len(vpc.ENIs) == 0 {
		t.Errorf("awsvpc task came back as %+v, container %+v", vpc, c)
	}
}

func TestGivesTheDatabaseBack(t *testing.T) {
	dir := t.TempDir()
	before := reference(t)
	fill(t, dir, before)
	s := openStore(t, dir)
	state := load(t, s)
	for _, a := range state.Attachments {
		s.SaveAttachment(a)
	}
	for _, tk := range state.Tasks {
		s.SaveTask(tk)
		for _, c := range tk.Containers {
			if c.Name == "web" {
				s.SaveContainer(c)
			}
		}
	}
	closeStore(t, s)
	after := contents(t, dir)
	delete(after, bucketQuarantine)

	wantTasks := before["tasks"]
	before["tasks"], after["tasks"] = nil, withoutWanted(t, "", wantTasks, after["tasks"])
	containers := before["containers"]
	before["containers"], after["containers"] = nil, withoutWanted(t, "Container", containers, after["containers"])
	if diff := cmp.Diff(before, after, cmp.Transformer("JSON", func(raw json.RawMessage) any {
		var v any
		_ = json.Unmarshal(raw, &v)
		return v
	})); diff != "" {
		t.Errorf("records that nobody touched changed:\n%s", diff)
	}
}

// withoutWanted compares records after the differences that are wanted were taken out, and returns nil.
func withoutWanted(t *testing.T, member string, before, after map[string]json.RawMessage) map[string]json.RawMessage {
	t.Helper()
	if len(before) != len(after) {
		t.Errorf("keys %v became %v", keys(before), keys(after))
	}
	for key := range before {
		var was, is map[string]any
		if err := json.Unmarshal(before[key], &was); err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(after[key], &is); err != nil {
			t.Fatalf("%s: %v", key, err)
		}
		containers := []any{was[member]}
		if member == "" {
			delete(was, "ServiceConnectConfig") // written for every task, means nothing here
			containers = was["Containers"].([]any)
			if key == orders { // its container record is newer than the copy
				now := is["Containers"].([]any)[1].(map[string]any)
				for _, field := range []string{"RuntimeID", "KnownStatus", "KnownPortBindings"} {
					containers[1].(map[string]any)[field] = now[field]
				}
			}
		}
		for _, c := range containers {
			delete(c.(map[string]any), "RestartAggregationDataForStats") // all zero
		}
		if diff := cmp.Diff(was, is, cmp.FilterPath(func(p cmp.Path) bool {
			return strings.HasSuffix(p.GoString(), `["ContainerPortSet"]`) // null and {} are the same set
		}, cmp.Ignore())); diff != "" {
			t.Errorf("%s (-theirs +ours):\n%s", key, diff)
		}
	}
	return nil
}

func TestStatisticsOfARealRestartAreKept(t *testing.T) {
	raw := json.RawMessage(`{"LastRestartDetectedAt":"2025-01-01T00:00:00Z"}`)
	c := &task.Container{RestartStats: &raw}
	if dropEmptyStats(c); c.RestartStats == nil {
		t.Error("dropped")
	}
}

func TestServiceConnectCountsWithItsContainerOnly(t *testing.T) {
	record := `{"Arn":"` + arnPrefix + `a","Containers":[{"Name":"%s"}],"ServiceConnectConfig":{"containerName":"service-connect"}}`
	for name, want := range map[string]bool{"service-connect": true, "web": false} {
		tk, err := decodeTask(fmt.Appendf(nil, record, name))
		if err != nil {
			t.Fatal(err)
		}
		if got := tk.ServiceConnect != nil; got != want {
			t.Errorf("container %s: present %v, want %v", name, got, want)
		}
	}
}

func TestUnreadableRecordsArePutAside(t *testing.T) {
	const vpcARN = arnPrefix + ordersVP
	cut := func(db map[string]map[string]json.RawMessage, bucket, key string) {
		db[bucket][key] = db[bucket][key][:len(db[bucket][key])/2]
	}
	replace := func(db map[string]map[string]json.RawMessage, bucket, key, old, new string) {
		text := string(db[bucket][key])
		if !strings.Contains(text, old) {
			panic("no " + old + " in " + bucket + "/" + key)
		}
		db[bucket][key] = json.RawMessage(strings.Replace(text, old, new, 1))
	}
	tests := map[string]struct {
		damage func(db map[string]map[string]json.RawMessage)
		lost   []string // bucket/key
		arn    string   // of the first one
		tasks  int
		check  func(t *testing.T, state *State)
	}{
		"task cut off": {
			func(db map[string]map[string]json.RawMessage) { cut(db, "tasks", ordersVP) },
			[]string{"tasks/" + ordersVP, "containers/" + ordersVP + "-web"}, vpcARN, 1, nil,
		},
		"unknown status word": {
			func(db map[string]map[string]json.RawMessage) {
				replace(db, "tasks", ordersVP, `"KnownStatus": "NONE"`, `"KnownStatus": "HOVERING"`)
			},
			[]string{"tasks/" + ordersVP, "containers/" + ordersVP + "-web"}, vpcARN, 1, nil,
		},
		"record under the wrong key": {
			func(db map[string]map[string]json.RawMessage) {
				db["tasks"]["elsewhere"] = db["tasks"][ordersVP]
				delete(db["tasks"], ordersVP)
			},
			[]string{"tasks/elsewhere", "containers/" + ordersVP + "-web"}, vpcARN, 1, nil,
		},
		"container without its task": {
			func(db map[string]map[string]json.RawMessage) { delete(db["tasks"], ordersVP) },
			[]string{"containers/" + ordersVP + "-web"}, vpcARN, 1, nil,
		},
		"container the task does not have": {
			func(db map[string]map[string]json.RawMessage) {
				replace(db, "containers", ordersVP+"-web", `"Name": "web"`, `"Name": "other"`)
			},
			[]string{"containers/" + ordersVP + "-web"}, vpcARN, 2, nil,
		},
		"container cut off: the copy in the task counts": {
			func(db map[string]map[string]json.RawMessage) { cut(db, "containers", orders+"-web") },
			[]string{"containers/" + orders + "-web"}, arnPrefix + orders, 2,
			func(t *testing.T, state *State) {
				if c, _ := state.Tasks[1].Container("web"); c.Known != task.ContainerPulled {
					t.Errorf("web is %v, want what the copy says", c.Known)
				}
			},
		},
		"container with one bad word: its Docker id is kept": {
			func(db map[string]map[string]json.RawMessage) {
				replace(db, "containers", orders+"-web", `"KnownStatus": "RUNNING"`, `"KnownStatus": 17`)
			},
			[]string{"containers/" + orders + "-web"}, arnPrefix + orders, 2,
			func(t *testing.T, state *State) {
				if c, _ := state.Tasks[1].Container("web"); len(c.RuntimeID) != 64 || c.RuntimeName == "" {
					t.Errorf("lost the way to the container in Docker: %+v", c)
				}
			},
		},
		"null container": {
			func(db map[string]map[string]json.RawMessage) {
				db["containers"][orders+"-web"] = json.RawMessage(`{"DockerId":"1","Container":null}`)
			},
			[]string{"containers/" + orders + "-web"}, "", 2, nil,
		},
		"manifest number that is none": {
			func(db map[string]map[string]json.RawMessage) {
				db["metadata"]["task-manifest-seq-num"] = json.RawMessage(`"seven"`)
			},
			[]string{"metadata/task-manifest-seq-num"}, "", 2,
			func(t *testing.T, state *State) {
				if err := state.Lost[0].Err.Error(); err != "failed to convert saved task manifest sequence number to int64: seven" {
					t.Errorf("error %q", err)
				}
			},
		},
		"metadata that is no string": {
			func(db map[string]map[string]json.RawMessage) { db["metadata"]["cluster-name"] = json.RawMessage(`{}`) },
			[]string{"metadata/cluster-name"}, "", 2, nil,
		},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			db := reference(t)
			tc.damage(db)
			fill(t, dir, db)
			s := openStore(t, dir)
			state := load(t, s)
			var lost []string
			for _, l := range state.Lost {
				lost = append(lost, l.Bucket+"/"+l.Key)
			}
			if diff := cmp.Diff(tc.lost, lost); diff != "" {
				t.Fatalf("lost (-want +got):\n%s", diff)
			}
			if state.Lost[0].TaskARN != tc.arn {
				t.Errorf("task of the lost record %q, want %q", state.Lost[0].TaskARN, tc.arn)
			}
			if len(state.Tasks) != tc.tasks {
				t.Errorf("%d tasks, want %d", len(state.Tasks), tc.tasks)
			}
			if tc.check != nil {
				tc.check(t, state)
			}
			closeStore(t, s)

			after := contents(t, dir)
			for _, place := range tc.lost {
				bucket, key, _ := strings.Cut(place, "/")
				if after[bucket][key] != nil {
					t.Errorf("%s is still there", place)
				}
				var copied quarantined
				if err := json.Unmarshal(after["quarantine"][place], &copied); err != nil || string(copied.Record) != string(db[bucket][key]) {
					t.Errorf("%s is not in quarantine as it was (%v)", place, err)
				}
			}
			if again := load(t, openStore(t, dir)); len(again.Lost) != 0 || len(again.Tasks) != tc.tasks {
				t.Errorf("second start: lost %v, %d tasks", again.Lost, len(again.Tasks))
			}
		})
	}
}

func TestQuarantineIsBounded(t *testing.T) {
	dir := t.TempDir()
	db := map[string]map[string]json.RawMessage{"tasks": {}, "quarantine": {}, "metadata": {"agent-version": json.RawMessage(`"1.0.0"`)}}
	old, _ := json.Marshal(quarantined{Time: time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC)})
	for i := range maxQuarantine {
		db["tasks"][fmt.Sprint(i)] = json.RawMessage(`{`)
		db["quarantine"][fmt.Sprintf("tasks/old%d", i)] = old
	}
	fill(t, dir, db)
	s := openStore(t, dir)
	load(t, s)
	closeStore(t, s)
	after := contents(t, dir)["quarantine"]
	if len(after) != maxQuarantine || after["tasks/0"] == nil || after["tasks/old0"] != nil {
		t.Errorf("%d records, want the %d newest", len(after), maxQuarantine)
	}
}

func TestReasonNamesTheCause(t *testing.T) {
	l := Lost{Err: fmt.Errorf("unexpected end of JSON input")}
	if got := l.Reason(); !strings.Contains(got, "unexpected end of JSON input") {
		t.Errorf("reason %q", got)
	}
}

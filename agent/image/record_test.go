package image

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/aws/amazon-ecs-agent/agent/docker"
	"github.com/aws/amazon-ecs-agent/agent/goldenfile"
	"github.com/aws/amazon-ecs-agent/agent/task"
)

func TestRecordIsThatOfTheDatabase(t *testing.T) {
	var data struct {
		Key   string
		Value json.RawMessage
	}
	goldenfile.Read(t, "testdata/record.json", &data)
	store := &fakeStore{saved: map[string]string{data.Key: string(data.Value)}}
	p := New(testConfig(), &fakeHost{}, store, Auth{})
	if err := p.Restore(); err != nil {
		t.Fatal(err)
	}
	if !p.records.pulled("busybox:latest") || !p.SetsRegion(&task.Container{Image: "busybox:latest"}) {
		t.Error("the record was not taken over")
	}
	record := p.records.all()[0]
	p.records.save(&record)
	var want, got any
	if json.Unmarshal(data.Value, &want) != nil || json.Unmarshal([]byte(store.saved[data.Key]), &got) != nil {
		t.Fatal("not JSON")
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestBadRecordsAreRefused(t *testing.T) {
	for _, value := range []string{"nonsense", `{"Image":{"ImageID":"sha256:2"}}`, `{}`} {
		p := New(testConfig(), &fakeHost{}, &fakeStore{saved: map[string]string{"sha256:1": value}}, Auth{})
		if err := p.Restore(); err == nil || len(p.records.all()) > 0 {
			t.Errorf("%s: %v", value, err)
		}
	}
}

func TestNamesOfImages(t *testing.T) {
	store := &fakeStore{}
	r := &records{store: store, byID: map[string]*Record{}}
	start := time.Unix(1700000000, 0)
	later := start.Add(time.Hour)
	r.use("a", docker.Image{ID: "sha256:1", Size: 3, Env: []string{"AWS_DEFAULT_REGION=", "X=AWS_REGION=1"}}, true, start)
	r.use("a:latest", docker.Image{ID: "sha256:1", Env: []string{"AWS_DEFAULT_REGION="}}, false, later)
	want := Record{Image: Identity{ImageID: "sha256:1", Names: []string{"a", "a:latest"}, Size: 3}, PulledAt: start, LastUsedAt: later,
		PullSucceeded: true, ManagedEnvKeys: map[string]bool{"AWS_DEFAULT_REGION": true}}
	if diff := cmp.Diff([]Record{want}, r.all()); diff != "" {
		t.Error(diff)
	}
	// A use that tells nothing new is not saved again.
	saves := store.saves
	r.use("a:latest", docker.Image{ID: "sha256:1", Env: []string{"AWS_DEFAULT_REGION="}}, true, later)
	if store.saves != saves {
		t.Errorf("%d saves more", store.saves-saves)
	}
	// The tag moves to another image.
	r.use("a:latest", docker.Image{ID: "sha256:2"}, true, later)
	if got := *r.byID["sha256:1"]; !cmp.Equal(got.Image.Names, []string{"a"}) {
		t.Errorf("old image has names %v", got.Image.Names)
	}
	if store.saved["sha256:1"] == "" || store.saved["sha256:2"] == "" {
		t.Error("not saved")
	}
	if r.deleted("sha256:1", "x") || !r.deleted("sha256:1", "a") || store.saved["sha256:1"] != "" || r.has("sha256:1") {
		t.Error("the record did not go with its last name")
	}
	if !r.deleted("sha256:1") {
		t.Error("a record that is gone is not gone")
	}
}

func TestRecordsOfOldAgentsHaveNoVariables(t *testing.T) {
	h := &fakeHost{images: []docker.Image{{ID: "sha256:1", Tags: []string{"a"}, Env: []string{"AWS_REGION=x"}}}}
	store := &fakeStore{saved: map[string]string{"sha256:1": `{"Image":{"ImageID":"sha256:1","Names":["a"],"Size":1},"PulledAt":"2020-02-20T01:54:04Z","LastUsedAt":"2020-02-20T01:54:04Z","PullSucceeded":true}`}}
	p := New(testConfig(), h, store, Auth{})
	if err := p.Restore(); err != nil {
		t.Fatal(err)
	}
	_, c := oneTask("a")
	c.ImageID = "sha256:1"
	if !p.SetsRegion(c) || h.count("inspect a") != 1 {
		t.Errorf("calls %v", h.made())
	}
	p.records.use("a", h.images[0], false, time.Now())
	if keys, ok := p.records.env("sha256:1", ""); !ok || !keys["AWS_REGION"] {
		t.Error("variables were not recorded at the next use")
	}
}

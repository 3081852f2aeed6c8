package ecs

import (
	"encoding/json"
	"testing"
	"time"
)

func TestTimeOnTheWire(t *testing.T) {
	at := time.Date(2026, 1, 2, 3, 4, 5, 678_900_000, time.UTC)
	b, err := json.Marshal(struct {
		Set   Time `json:"set,omitzero"`
		Unset Time `json:"unset,omitzero"`
	}{Set: At(at)})
	if err != nil || string(b) != `{"set":1767323045.678}` {
		t.Errorf("%s %v", b, err)
	}
	for text, want := range map[string]string{
		"1700000000.123": "2023-11-14T22:13:20.123Z", "1700000000": "2023-11-14T22:13:20Z", `"2023-11-14T22:13:20Z"`: "2023-11-14T22:13:20Z",
	} {
		var got Time
		if err := json.Unmarshal([]byte(text), &got); err != nil || got.Format(time.RFC3339Nano) != want {
			t.Errorf("%s: %v, %v", text, got, err)
		}
	}
	for _, text := range []string{`"soon"`, `{}`, `1e300`, `true`} {
		var got Time
		if json.Unmarshal([]byte(text), &got) == nil {
			t.Errorf("%s: %v", text, got)
		}
	}
}

func FuzzTime(f *testing.F) {
	f.Add([]byte("1700000000.123"))
	f.Add([]byte(`"2023-11-14T22:13:20Z"`))
	f.Fuzz(func(t *testing.T, data []byte) {
		var v, again Time
		if json.Unmarshal(data, &v) != nil || v.IsZero() {
			return
		}
		b, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(b, &again); err != nil || v.Sub(again.Time).Abs() > time.Millisecond {
			t.Errorf("%s: %v became %v, %v", data, v, again, err)
		}
	})
}

func TestARNs(t *testing.T) {
	n := Names{Partition: "aws", Region: "r", Account: "1"}
	for arn, want := range map[string]ARN{
		n.Cluster("c"):                            {Kind: "cluster", Name: "c"},
		n.Task("c", "t"):                          {Kind: "task", Cluster: "c", Name: "t"},
		n.TaskDefinition("f:1"):                   {Kind: "task-definition", Name: "f:1"},
		"arn:aws:ecs:r:1:container-instance/old1": {Kind: "container-instance", Name: "old1"},
	} {
		if got, ok := ParseARN(arn); !ok || got != want {
			t.Errorf("%s: %+v %v", arn, got, ok)
		}
	}
	for _, bad := range []string{"", "x", "arn:aws:ec2:r:1:task/x", "arn:aws:ecs:r:1:task", "arn:aws:ecs:r:1:task/", "arn:aws:ecs:r:1:a/b/c/d"} {
		if got, ok := ParseARN(bad); ok {
			t.Errorf("%q: %+v", bad, got)
		}
	}
	if _, _, ok := LastPart("task", n.Cluster("c")); ok {
		t.Error("a cluster is no task")
	}
	if _, name, ok := LastPart("task", "abc"); !ok || name != "abc" {
		t.Error("a bare id is fine")
	}
}

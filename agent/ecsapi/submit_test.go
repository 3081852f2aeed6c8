package ecsapi

import (
	"encoding/json"
	"errors"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
	"unicode/utf8"

	"github.com/aws/amazon-ecs-agent/agent/task"
)

const testDigest = "sha256:d1c14fcf2e9476ed58ebc4251b211f403f271e96b6c3d9ada0f1c5454ca4d230"

func TestSubmitTaskStateChange(t *testing.T) {
	at := func(s string) time.Time {
		parsed, err := time.Parse(time.RFC3339Nano, s)
		if err != nil {
			t.Fatal(err)
		}
		return parsed.In(time.FixedZone("somewhere", 3600))
	}
	code := func(n int) *int { return &n }
	base := TaskStateChange{Cluster: testCluster, TaskARN: testTask}
	cases := []struct {
		golden string
		fill   func(*TaskStateChange)
	}{
		{"submit_task_running", func(c *TaskStateChange) {
			c.Status = "RUNNING"
			c.PullStartedAt, c.PullStoppedAt = at("2024-01-01T00:00:01Z"), at("2024-01-01T00:00:05.250Z")
			c.Containers = []ContainerStateChange{
				{
					Name: "web", Status: "RUNNING", ImageDigest: testDigest,
					RuntimeID: "6f1d1c0b1c6f4ab8a0b9c1d2e3f405162738495a6b7c8d9e0f1a2b3c4d5e6f70",
					Ports: Ports{Single: task.PortSet{80: {}}, Observed: []task.PortMapping{
						{ContainerPort: 80, HostPort: 32768, BindIP: "0.0.0.0"},
						{ContainerPort: 80, HostPort: 32768, BindIP: "::"},
					}},
				},
				{Name: "sidecar", Status: "RUNNING", RuntimeID: "aa"},
			}
		}},
		{"submit_task_stopped", func(c *TaskStateChange) {
			c.Status = "STOPPED"
			c.PullStartedAt, c.PullStoppedAt, c.ExecutionStoppedAt = at("2024-01-01T00:00:01Z"), at("2024-01-01T00:00:05Z"), at("2024-01-01T01:00:00Z")
			c.Containers = []ContainerStateChange{
				{Name: "web", Status: "STOPPED", RuntimeID: "aa", ExitCode: code(1), Reason: "OutOfMemoryError: Container killed due to memory usage"},
				{Name: "sidecar", Status: "STOPPED", RuntimeID: "bb", ExitCode: code(0)},
			}
		}},
		{"submit_task_manifest_pulled", func(c *TaskStateChange) {
			c.Status = "MANIFEST_PULLED"
			c.Containers = []ContainerStateChange{{Name: "a", Status: "PENDING", ImageDigest: testDigest}}
		}},
		{"submit_task_drain_pending", func(c *TaskStateChange) {
			c.Status = "CREATED"
			c.Containers = []ContainerStateChange{{Name: "first", Status: "RUNNING", RuntimeID: "aa"}}
		}},
		{"submit_task_managed_agent", func(c *TaskStateChange) {
			c.Status = "RUNNING"
			c.ManagedAgents = []ManagedAgentStateChange{
				{Container: "web", Name: "ExecuteCommandAgent", Status: "RUNNING", Reason: "ExecuteCommandAgent started"},
				{Container: "sidecar", Name: "ExecuteCommandAgent", Status: "NONE", Reason: "not reported"},
			}
		}},
		{"submit_task_invalid_acs_task", func(c *TaskStateChange) {
			c.Status, c.Reason = "STOPPED", "UnrecogniedTaskError: Error loading task - Unrecognized TaskStatus"
		}},
	}
	for _, c := range cases {
		t.Run(c.golden, func(t *testing.T) {
			change := base
			c.fill(&change)
			f := &fakeECS{}
			if err := newTestClient(t, f).SubmitTaskStateChange(t.Context(), change); err != nil {
				t.Fatal(err)
			}
			expectRequest(t, f, "SubmitTaskStateChange", c.golden)
		})
	}
}

func TestSubmitAttachments(t *testing.T) {
	f := &fakeECS{}
	if err := newTestClient(t, f).SubmitTaskAttachment(t.Context(), testCluster, testTask, testAttach); err != nil {
		t.Fatal(err)
	}
	expectRequest(t, f, "SubmitTaskStateChange", "submit_task_eni_attached")

	f = &fakeECS{}
	if err := newTestClient(t, f).SubmitAttachment(t.Context(), testCluster, testAttach); err != nil {
		t.Fatal(err)
	}
	expectRequest(t, f, "SubmitAttachmentStateChanges", "submit_attachment")
}

func TestTextsAreCutToTheLimitsOfTheService(t *testing.T) {
	f := &fakeECS{}
	long := strings.Repeat("x", 1023) + "é" + strings.Repeat("y", 2000)
	err := newTestClient(t, f).SubmitTaskStateChange(t.Context(), TaskStateChange{
		Reason:        long,
		Containers:    []ContainerStateChange{{Name: "c", Reason: long, RuntimeID: long, ImageDigest: long}},
		ManagedAgents: []ManagedAgentStateChange{{Container: "c", Name: "n", Status: "RUNNING", Reason: long}},
	})
	if err != nil {
		t.Fatal(err)
	}
	var got taskBody
	if err := json.Unmarshal(f.requests[0].body, &got); err != nil {
		t.Fatal(err)
	}
	c := got.Containers[0]
	for name, n := range map[string][2]int{
		"task reason":          {len(*got.Reason), 1023}, // the é does not fit as a whole
		"container reason":     {len(c.Reason), 1023},
		"managed agent reason": {len(got.ManagedAgents[0].Reason), 1023},
		"runtime id":           {len(c.RuntimeID), 255},
		"image digest":         {len(c.ImageDigest), 255},
	} {
		if n[0] != n[1] {
			t.Errorf("%s: %d bytes, want %d", name, n[0], n[1])
		}
	}
}

func TestCut(t *testing.T) {
	for _, c := range []struct {
		in    string
		limit int
		want  string
	}{
		{"", 3, ""},
		{"abc", 3, "abc"},
		{"abcd", 3, "abc"},
		{"aé", 2, "a"},
		{"aé", 3, "aé"},
		{"a€b", 3, "a"},
		{"a😀b", 4, "a"},
		{"a😀b", 5, "a😀"},
		{"\x80\x80\x80\x80\x80\x80", 5, "\x80\x80"}, // no character starts nearby
	} {
		if got := cut(c.in, c.limit); got != c.want {
			t.Errorf("cut(%q, %d) = %q, want %q", c.in, c.limit, got, c.want)
		}
	}
}

func FuzzCut(f *testing.F) {
	f.Add("héllo", 2)
	f.Add("0000\x82\x82\x82\x82", 7)
	f.Fuzz(func(t *testing.T, s string, limit int) {
		if limit < 0 || limit > 1<<20 {
			return
		}
		got := cut(s, limit)
		if len(got) > limit || !strings.HasPrefix(s, got) || utf8.ValidString(s) && !utf8.ValidString(got) {
			t.Errorf("cut(%q, %d) = %q", s, limit, got)
		}
		if len(s) > limit && limit-len(got) >= utf8.UTFMax {
			t.Errorf("cut(%q, %d) = %q: too short", s, limit, got)
		}
	})
}

func TestContainerWithoutNameIsNotSent(t *testing.T) {
	f := &fakeECS{}
	err := newTestClient(t, f).SubmitTaskStateChange(t.Context(), TaskStateChange{TaskARN: testTask, Containers: []ContainerStateChange{{}}})
	if !errors.Is(err, ErrUnbuildable) || len(f.requests) != 0 {
		t.Errorf("got %v after %d requests", err, len(f.requests))
	}
}

func TestSubmitDelays(t *testing.T) {
	for n, bounds := range map[int][2]time.Duration{1: {60, 118}, 2: {120, 236}, 5: {960, 1888}, 10: {30720, 60416}} {
		seen := map[time.Duration]bool{}
		for range 2000 {
			d := submitDelay(n) / time.Millisecond
			if d < bounds[0] || d > bounds[1] {
				t.Fatalf("delay after attempt %d: %d ms, want %d to %d", n, d, bounds[0], bounds[1])
			}
			seen[d] = true
		}
		if !seen[bounds[0]] || !seen[bounds[1]] {
			t.Errorf("delay after attempt %d: bounds never drawn", n)
		}
	}
}

func TestSubmitTriesOnlyBriefly(t *testing.T) {
	for name, answer := range map[string]fakeAnswer{
		"throttled": failure(400, "ThrottlingException", "Rate exceeded"),
		"refused":   {err: syscall.ECONNREFUSED},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := &fakeECS{answers: []fakeAnswer{answer}}
				start := time.Now()
				err := newTestClient(t, f).SubmitTaskStateChange(t.Context(), TaskStateChange{TaskARN: testTask, Status: "RUNNING"})
				if err == nil || len(f.requests) != 3 || time.Since(start) > 400*time.Millisecond {
					t.Errorf("%d attempts in %v: %v", len(f.requests), time.Since(start), err)
				}
			})
		})
	}
	f := &fakeECS{answers: []fakeAnswer{failure(400, "InvalidParameterException", "no such task")}}
	err := newTestClient(t, f).SubmitTaskStateChange(t.Context(), TaskStateChange{TaskARN: testTask, Status: "RUNNING"})
	if !errors.Is(err, ErrInvalidParameter) || len(f.requests) != 1 {
		t.Errorf("%d attempts: %v", len(f.requests), err)
	}
}

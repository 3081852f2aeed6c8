package acs

import (
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/aws/amazon-ecs-agent/agent/credentials"
	"github.com/aws/amazon-ecs-agent/agent/goldenfile"
	"github.com/aws/amazon-ecs-agent/agent/task"
)

func TestPayloadWithCredentials(t *testing.T) {
	var golden struct {
		Receive      json.RawMessage
		SendAnyOrder []envelope
		Effect       struct {
			EngineAdds          []string
			KnownSequenceNumber struct{ Before, After int64 }
			CredentialStore     map[string]credentials.RoleType
		}
	}
	goldenfile.Read(t, "testdata/payload_run.json", &golden)
	b := newBench(golden.Effect.KnownSequenceNumber.Before)
	logged := logs.Mark()
	same(t, "answers", b.receive(t, golden.Receive), expected(t, golden.SendAnyOrder))
	same(t, "accepted", b.engine.accepted, golden.Effect.EngineAdds)
	if b.known != golden.Effect.KnownSequenceNumber.After || b.manifest.seq != b.known {
		t.Errorf("sequence number %d, saved %d", b.known, b.manifest.seq)
	}
	for id, role := range golden.Effect.CredentialStore {
		c, _ := b.store.Get(id)
		if c == nil {
			t.Fatalf("%s is not in the store", id)
		}
		same(t, id, *c, credentials.Credentials{
			ID: id, TaskARN: taskPrefix + "t1", RoleARN: "arn:aws:iam::123456789012:role/r1", RoleType: role,
			AccessKeyID: "AKIDEXAMPLE", SecretAccessKey: "secretAccessKey", SessionToken: "token", Expiration: "2016-03-25T06:17:19.318+0000",
		})
	}
	in, _ := b.engine.Task(taskPrefix + "t1")
	if in.CredentialsID != "creds-task" || in.ExecutionCredentialsID != "creds-exec" || in.Revision != "3" || in.NetworkMode != "bridge" {
		t.Errorf("%+v", in)
	}
	for _, secret := range []string{"AKIDEXAMPLE", "secretAccessKey", "creds-task", "creds-exec"} {
		if strings.Contains(logged(), secret) {
			t.Errorf("%s was logged", secret)
		}
	}
}

func TestPayloadWithMostMembers(t *testing.T) {
	var golden struct {
		Receive envelope
		Task    struct {
			ARN, DesiredStatus, Family, Version, ServiceName, Group string
			NetworkMode, LaunchType, PIDMode, IPCMode               string
			CPU                                                     float64
			MemoryMiB                                               int64
			EnableFaultInjection                                    bool
			Containers                                              []struct {
				Name    string
				Command []string
				Ports   []struct {
					ContainerPort, HostPort      uint16
					ContainerPortRange, Protocol string
				}
			}
			Volumes []struct{ Name, Kind, Source string }
			ENIs    []struct{ ID, MAC string }
			Proxy   task.AppMesh
		}
		SendAnyOrder []envelope
	}
	goldenfile.Read(t, "testdata/payload_full.json", &golden)
	var m payloadMessage
	if err := json.Unmarshal(golden.Receive.Message, &m); err != nil {
		t.Fatal(err)
	}
	in, err := convert(m.Tasks[0])
	if err != nil {
		t.Fatal(err)
	}
	got, want := in.task, golden.Task
	same(t, "task", []any{got.ARN, got.Desired.String(), got.Family, got.Revision, got.ServiceName, got.Group, got.NetworkMode, got.LaunchType,
		got.PIDMode, got.IPCMode, got.CPU, got.Memory, got.EnableFaultInjection},
		[]any{want.ARN, want.DesiredStatus, want.Family, want.Version, want.ServiceName, want.Group, want.NetworkMode, want.LaunchType,
			want.PIDMode, want.IPCMode, want.CPU, want.MemoryMiB, want.EnableFaultInjection})
	c := got.Containers[0]
	same(t, "command", c.Command, want.Containers[0].Command)
	for i, p := range want.Containers[0].Ports {
		protocol, _ := task.ParseProtocol(p.Protocol)
		same(t, "port", c.Ports[i], task.PortMapping{ContainerPort: p.ContainerPort, HostPort: p.HostPort, ContainerPortRange: p.ContainerPortRange, Protocol: protocol})
	}
	for i, v := range want.Volumes {
		if got.Volumes[i].Name != v.Name || kindOf(got.Volumes[i]) != v.Kind || got.Volumes[i].HostPath != v.Source {
			t.Errorf("volume %+v, want %+v", got.Volumes[i], v)
		}
	}
	if enis := got.ENIs; len(enis) != 1 || enis[0].EC2ID != want.ENIs[0].ID || enis[0].MAC != want.ENIs[0].MAC {
		t.Errorf("ENIs %+v", enis)
	}
	same(t, "proxy", got.AppMesh, &want.Proxy)

	// The task needs features that are missing, so it is only acknowledged when it is known.
	b := newBench(0)
	b.engine.add(&task.Task{ARN: got.ARN, Desired: task.Running})
	frame, _ := json.Marshal(golden.Receive)
	same(t, "answers", b.receive(t, frame), expected(t, golden.SendAnyOrder))
}

func TestStopsComeBeforeStarts(t *testing.T) {
	var golden struct {
		Receive      json.RawMessage
		EngineOrder  []string
		SendAnyOrder []envelope
	}
	goldenfile.Read(t, "testdata/payload_stop_and_start.json", &golden)
	b := newBench(0)
	for range 2 { // a repeated message gets the same answer
		b.engine.accepted = nil
		same(t, "answers", b.receive(t, golden.Receive), expected(t, golden.SendAnyOrder))
		same(t, "order", b.engine.accepted, golden.EngineOrder)
	}
	if b.known != 6 {
		t.Errorf("sequence number %d", b.known)
	}
}

func TestInvalidTaskIsReportedAndTheRestGoesOn(t *testing.T) {
	var golden struct {
		Receive    json.RawMessage
		Submit     struct{ Task, Reason string }
		EngineAdds []string
		Send       []envelope
	}
	goldenfile.Read(t, "testdata/payload_invalid_task.json", &golden)
	b := newBench(0)
	same(t, "answers", b.receive(t, golden.Receive), expected(t, golden.Send))
	same(t, "accepted", b.engine.accepted, golden.EngineAdds)
	same(t, "refused", b.engine.refused, map[string]string{golden.Submit.Task: golden.Submit.Reason})
}

func message(tasks string) []byte {
	return frame("PayloadMessage", `{"messageId":"m","clusterArn":"`+clusterARN+`","containerInstanceArn":"`+instanceARN+`","seqNum":9,"tasks":`+tasks+`}`)
}

func TestPayloadsThatAreNotAcknowledged(t *testing.T) {
	const role = `"roleCredentials":{"credentialsId":"id-of-the-role","secretAccessKey":"s"}`
	cases := []struct {
		name, tasks string
		acceptErr   error
		refused     bool
	}{
		{"task without an ARN", `[{"desiredStatus":"RUNNING"}]`, nil, false},
		{"null task", `[null]`, nil, false},
		{"credentials without an id", `[{"arn":"a","roleCredentials":{}}]`, nil, true},
		{"invalid after its credentials", `[{"arn":"a",` + role + `,"proxyConfiguration":{"type":"X"}}]`, nil, true},
		{"not saved", `[{"arn":"a","desiredStatus":"RUNNING",` + role + `}]`, errors.New("disk full"), false},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			b := newBench(0)
			b.engine.acceptErr = c.acceptErr
			if got := b.receive(t, message(c.tasks)); len(got) > 0 {
				t.Errorf("answered %v", got)
			}
			if refused := len(b.engine.refused) == 1; refused != c.refused {
				t.Errorf("refused %v", b.engine.refused)
			}
			if got, known := b.store.Get("id-of-the-role"); got != nil || known {
				t.Error("credentials of a task that was not taken are kept")
			}
			if b.known != 9 {
				t.Errorf("sequence number %d", b.known)
			}
		})
	}
}

func TestEmptyPayloadIsAcknowledged(t *testing.T) {
	for _, tasks := range []string{"[]", "null"} {
		if got := newBench(0).receive(t, message(tasks)); len(got) != 1 || !strings.Contains(got[0], "AckRequest") {
			t.Errorf("%s: %v", tasks, got)
		}
	}
}

// A task that cannot be read any more, but runs, can be stopped.
func TestInvalidTaskThatRunsIsStopped(t *testing.T) {
	b := newBench(0)
	b.engine.add(&task.Task{ARN: "a", Desired: task.Running})
	if got := b.receive(t, message(`[{"arn":"a","desiredStatus":"STOPPED","volumes":[{"name":""}]}]`)); len(got) != 1 {
		t.Errorf("answers %v", got)
	}
	same(t, "stopped", b.engine.stopped, []string{"a"})
	if len(b.engine.refused) > 0 {
		t.Error("refused", b.engine.refused)
	}
	// One that does not run is reported.
	if got := b.receive(t, message(`[{"arn":"b","desiredStatus":"STOPPED","volumes":[{"name":""}]}]`)); len(got) != 0 {
		t.Errorf("answers %v", got)
	}
	same(t, "refused", b.engine.refused, map[string]string{"b": "UnrecogniedTaskError: Error loading task - invalid Volume; must include a name"})
}

func TestTaskTwiceInAPayload(t *testing.T) {
	b := newBench(0)
	got := b.receive(t, message(`[{"arn":"a","desiredStatus":"RUNNING"},{"arn":"b","desiredStatus":"RUNNING"},{"arn":"a","desiredStatus":"RUNNING"},{"arn":"b","desiredStatus":"STOPPED"}]`))
	if len(got) != 1 {
		t.Errorf("answers %v", got)
	}
	same(t, "accepted", b.engine.accepted, []string{"b", "a"})
}

// Which credentials of a payload are kept: those that somebody will use, and that somebody will remove.
func TestCredentialsOfPayloads(t *testing.T) {
	const both = `"roleCredentials":{"credentialsId":"app","secretAccessKey":"new"},"executionRoleCredentials":{"credentialsId":"exec","secretAccessKey":"new"}`
	cases := []struct {
		name    string
		present *task.Task
		status  string
		kept    []string
	}{
		{"new task", nil, "RUNNING", []string{"app", "exec"}},
		{"new task to be stopped", nil, "STOPPED", nil},
		{"known task", &task.Task{CredentialsID: "app", ExecutionCredentialsID: "exec"}, "RUNNING", []string{"app", "exec"}},
		{"known task with another role", &task.Task{CredentialsID: "other", ExecutionCredentialsID: "exec"}, "RUNNING", []string{"exec"}},
		{"known task that has stopped", &task.Task{CredentialsID: "app", ExecutionCredentialsID: "exec", Known: task.Stopped}, "RUNNING", nil},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			b := newBench(0)
			if c.present != nil {
				c.present.ARN = "a"
				b.engine.add(c.present)
			}
			answers := b.receive(t, message(`[{"arn":"a","desiredStatus":"`+c.status+`",`+both+`}]`))
			if len(answers) != 3 {
				t.Errorf("answers %v", answers)
			}
			for _, id := range []string{"app", "exec"} {
				got, _ := b.store.Get(id)
				if kept := got != nil; kept != slices.Contains(c.kept, id) {
					t.Errorf("%s kept: %t", id, kept)
				}
			}
		})
	}
}

func FuzzPayload(f *testing.F) {
	var full, run struct{ Receive envelope }
	goldenfile.Read(f, "testdata/payload_full.json", &full)
	goldenfile.Read(f, "testdata/payload_run.json", &run)
	f.Add([]byte(full.Receive.Message))
	f.Add([]byte(run.Receive.Message))
	var attachments struct {
		Cases []struct {
			Attachment json.RawMessage
			Volumes    json.RawMessage
		}
	}
	goldenfile.Read(f, "testdata/task_attachments.json", &attachments)
	for _, c := range attachments.Cases {
		volumes := string(c.Volumes)
		if volumes == "" {
			volumes = "null"
		}
		f.Add([]byte(`{"messageId":"m","clusterArn":"c","containerInstanceArn":"i","tasks":[{"arn":"a","networkMode":"awsvpc","containers":[{"name":"ecs-sc"}],"attachments":[` +
			string(c.Attachment) + `],"volumes":` + volumes + `}]}`))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		var m payloadMessage
		if json.Unmarshal(data, &m) != nil {
			return
		}
		for _, w := range m.Tasks {
			if w == nil {
				continue
			}
			in, err := convert(w)
			if err != nil {
				continue
			}
			saved, err := json.Marshal(in.task)
			if err != nil {
				t.Fatalf("converted task cannot be saved: %v", err)
			}
			var loaded task.Task
			if err := json.Unmarshal(saved, &loaded); err != nil {
				t.Fatalf("converted task cannot be loaded again: %v\n%s", err, saved)
			}
		}
		b := newBench(0)
		b.handlePayload(t.Context(), &m)
		b.answers(t)
	})
}

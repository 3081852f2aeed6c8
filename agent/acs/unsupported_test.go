package acs

import (
	"encoding/json"
	"maps"
	"testing"

	"github.com/aws/amazon-ecs-agent/agent/task"
)

func TestUnsupportedFeaturesAreNamed(t *testing.T) {
	container := func(members string) json.RawMessage { return json.RawMessage(`[{"name":"c",` + members + `}]`) }
	attachment := func(kind string) json.RawMessage {
		return json.RawMessage(`[{"attachmentType":"` + kind + `","attachmentProperties":[{"name":"volumeId","value":"v"},{"name":"volumeName","value":"n"},{"name":"sourceVolumeHostPath","value":"p"},` +
			`{"name":"ServiceConnectConfig","value":"{}"},{"name":"ContainerName","value":"c"}]}]`)
	}
	cases := []struct {
		members map[string]any
		want    string
	}{
		{map[string]any{"attachments": attachment("serviceconnectdetail"), "containers": container(`"image":"i"`)}, "Service Connect"},
		{map[string]any{"attachments": attachment("amazonebs")}, "Amazon EBS volumes"},
		{map[string]any{"attachments": attachment("s3files")}, ""},
		{map[string]any{"volumes": json.RawMessage(`[{"name":"v","type":"efs","efsVolumeConfiguration":{}}]`)}, ""},
		{map[string]any{"volumes": json.RawMessage(`[{"name":"v","type":"fsxWindowsFileServer","fsxWindowsFileServerVolumeConfiguration":{}}]`)}, "FSx for Windows File Server volumes"},
		{map[string]any{"containers": container(`"firelensConfiguration":{"type":"fluentd"}`)}, ""},
		{map[string]any{"containers": container(`"credentialSpecs":["x"]`)}, "credential specs (gMSA)"},
		{map[string]any{"associations": json.RawMessage(`[{"type":"gpu"}]`), "pidMode": "task", "ipcMode": "task"}, ""},
		{map[string]any{"networkMode": "awsvpc"}, ""},
		{map[string]any{"pidMode": "host", "ipcMode": "none", "networkMode": "host", "associations": json.RawMessage(`[{"type":"elastic-inference"}]`)}, ""},
		{map[string]any{"containers": container(`"secrets":[{}],"environmentFiles":[{}]`)}, ""},
		{map[string]any{"containers": container(`"restartPolicy":{"enabled":true},"portMappings":[{"containerPort":1}]`)}, ""},
	}
	for _, c := range cases {
		w := wireOf(t, c.members)
		in, err := convert(w)
		if err != nil {
			t.Fatal(c.want, err)
		}
		if got := unsupported(in.task); got != c.want {
			t.Errorf("%q, want %q", got, c.want)
		}

		b := newBench(0)
		answers := b.receive(t, payload(t, w.ARN, c.members))
		switch {
		case c.want == "" && len(answers) != 1:
			t.Errorf("%v: answers %v, refused %v", c.members, answers, b.engine.refused)
		case c.want != "":
			if len(answers) > 0 || len(b.engine.accepted) > 0 {
				t.Errorf("%s: answers %v, accepted %v", c.want, answers, b.engine.accepted)
			}
			same(t, "refused", b.engine.refused, map[string]string{
				w.ARN: "UnrecogniedTaskError: Error loading task - this agent does not support " + c.want,
			})
		}
	}
}

// payload is a message with one task.
func payload(t *testing.T, arn string, members map[string]any) []byte {
	t.Helper()
	one := map[string]any{"arn": arn, "desiredStatus": "RUNNING"}
	for k, v := range members {
		one[k] = v
	}
	message, err := json.Marshal(map[string]any{"messageId": "m", "clusterArn": clusterARN, "containerInstanceArn": instanceARN, "tasks": []any{one}})
	if err != nil {
		t.Fatal(err)
	}
	return frame("PayloadMessage", string(message))
}

// A task that could not be started can be stopped, and one that runs already is left to run.
func TestUnsupportedTasksThatAreKnownOrStopped(t *testing.T) {
	missingFeature := map[string]any{"containers": json.RawMessage(`[{"name":"c","credentialSpecs":["x"]}]`)}
	stopOf := func(members map[string]any) map[string]any {
		members = maps.Clone(members)
		members["desiredStatus"] = "STOPPED"
		return members
	}
	b := newBench(0)
	b.engine.add(&task.Task{ARN: "known", Desired: task.Running})
	if got := b.receive(t, payload(t, "known", missingFeature)); len(got) != 1 {
		t.Errorf("known: %v", got)
	}
	if got := b.receive(t, payload(t, "known", stopOf(missingFeature))); len(got) != 1 {
		t.Errorf("known, to be stopped: %v", got)
	}
	if got := b.receive(t, payload(t, "unknown", stopOf(missingFeature))); len(got) != 1 {
		t.Errorf("unknown, to be stopped: %v", got)
	}
	same(t, "accepted", b.engine.accepted, []string{"known", "known", "unknown"})
	if len(b.engine.refused) > 0 {
		t.Errorf("refused %v", b.engine.refused)
	}
}

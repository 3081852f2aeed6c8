package payload

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/aws/amazon-ecs-agent/misc/local-ecs/internal/acsmsg"
	"github.com/aws/amazon-ecs-agent/misc/local-ecs/internal/ecs"
	"github.com/aws/amazon-ecs-agent/misc/local-ecs/internal/rolecreds"
	"github.com/aws/amazon-ecs-agent/misc/local-ecs/internal/state"
	"github.com/aws/amazon-ecs-agent/misc/local-ecs/internal/taskdef"
)

var update = flag.Bool("update", false, "rewrite the golden files")

var now = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

func renderer() *Renderer {
	return &Renderer{Names: ecs.Names{Partition: "aws", Region: "us-east-1", Account: "123456789012"}, Source: rolecreds.Fake(time.Hour)}
}

func definition(t *testing.T, text []byte) *state.TaskDefinition {
	t.Helper()
	d := &state.TaskDefinition{}
	if err := json.Unmarshal(text, &d.TaskDefinition); err != nil {
		t.Fatal(err)
	}
	if err := taskdef.Validate(&d.TaskDefinition); err != nil {
		t.Fatal(err)
	}
	taskdef.Complete(&d.TaskDefinition)
	d.Revision = 7
	return d
}

func task() *state.Task {
	return &state.Task{ID: "0123456789abcdef0123456789abcdef", CredentialsID: "cred-task", ExecutionID: "cred-exec", ServiceName: "svc",
		GPUs: map[string][]string{"app": {"GPU-1"}},
		Task: ecs.Task{TaskArn: "arn:aws:ecs:us-east-1:123456789012:task/default/0123456789abcdef0123456789abcdef", ClusterArn: "arn:aws:ecs:us-east-1:123456789012:cluster/default",
			DesiredStatus: ecs.Running, Group: "service:svc", LaunchType: "EC2", EnableExecuteCommand: true,
			Containers: []ecs.Container{{Name: "app", ContainerArn: "arn:aws:ecs:us-east-1:123456789012:container/default/0/1"}, {Name: "helper"}},
			Overrides:  &ecs.TaskOverride{ContainerOverrides: []ecs.ContainerOverride{{Name: "app", Command: []string{"run", "\"it\""}, Environment: []ecs.KeyValue{{Name: "B", Value: "3"}, {Name: "C", Value: "4"}}}}}}}
}

// The golden file shows every feature of a task definition in the form the agent gets it.
func TestGolden(t *testing.T) {
	text, err := os.ReadFile("testdata/full.definition.json")
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	e := json.NewEncoder(&out)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	if err := e.Encode(renderer().Task(task(), definition(t, text), now)); err != nil {
		t.Fatal(err)
	}
	const golden = "testdata/full.payload.json"
	if *update {
		if err := os.WriteFile(golden, out.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(out.Bytes(), want) {
		t.Errorf("differs from %s (-update rewrites it):\n%s", golden, &out)
	}
}

func TestSmallest(t *testing.T) {
	d := definition(t, []byte(`{"family":"f","containerDefinitions":[{"name":"c","image":"i","memory":64}]}`))
	w := renderer().Task(&state.Task{}, d, now)
	c := w.Containers[0]
	if c.DockerConfig != (acsmsg.DockerConfig{Version: "1.17", Config: "{}", HostConfig: `{"CapAdd":[],"CapDrop":[]}`}) {
		t.Errorf("docker config %+v", c.DockerConfig)
	}
	if w.RoleCredentials != nil || w.ExecutionRoleCredentials != nil || c.RegistryAuthentication != nil || c.Overrides != "{}" || w.CPU != 0 {
		t.Errorf("%+v", w)
	}
	if c.Environment["AWS_EXECUTION_ENV"] != "AWS_ECS_EC2" {
		t.Errorf("environment %v", c.Environment)
	}
}

func TestDockerAPIVersions(t *testing.T) {
	for more, want := range map[string]string{
		``: "1.17", `,"logConfiguration":{"logDriver":"json-file"}`: "1.19", `,"healthCheck":{"command":["CMD","x"]}`: "1.24", `,"linuxParameters":{"initProcessEnabled":true}`: "1.25",
	} {
		d := definition(t, []byte(`{"family":"f","containerDefinitions":[{"name":"c","image":"i","memory":64`+more+`}]}`))
		if got := renderer().Task(&state.Task{}, d, now).Containers[0].DockerConfig.Version; got != want {
			t.Errorf("%s: %s, want %s", more, got, want)
		}
	}
}

func TestAwsvpcTasksSendNoPorts(t *testing.T) {
	d := definition(t, []byte(`{"family":"f","networkMode":"awsvpc","containerDefinitions":[{"name":"c","image":"i","memory":64,"portMappings":[{"containerPort":80}]}]}`))
	if p := renderer().Task(&state.Task{}, d, now).Containers[0].PortMappings; len(p) != 0 {
		t.Errorf("%v", p)
	}
}

func TestOwnCredentials(t *testing.T) {
	env := map[string]string{"AWS_ACCESS_KEY_ID": "AKIAEXAMPLE", "AWS_SECRET_ACCESS_KEY": "s3cr3t", "AWS_SESSION_TOKEN": "t"}
	source, err := rolecreds.FromEnvironment(func(k string) string { return env[k] }, time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	d := definition(t, []byte(`{"family":"f","taskRoleArn":"r","containerDefinitions":[{"name":"c","image":"i","memory":64}]}`))
	c := (&Renderer{Source: source}).Credentials(task(), d, acsmsg.RoleTask, now)
	if c.AccessKeyID != "AKIAEXAMPLE" || c.SecretAccessKey != "s3cr3t" || c.SessionToken != "t" || c.Expiration != "2026-01-02T04:04:05Z" {
		t.Errorf("%+v", c)
	}
	delete(env, "AWS_SECRET_ACCESS_KEY")
	if _, err := rolecreds.FromEnvironment(func(k string) string { return env[k] }, time.Hour); err == nil || !strings.Contains(err.Error(), "AWS_SECRET_ACCESS_KEY is not set") {
		t.Errorf("%v", err)
	}
}

// The registry that stands in for Amazon ECR takes the place of the real ones in image names, and is asked like them.
func TestRegistryInsteadOfECR(t *testing.T) {
	r := renderer()
	r.Registry = func() string { return "127.0.0.1:5000" }
	for image, want := range map[string]struct{ image, account, region string }{
		"999999999999.dkr.ecr.eu-west-1.amazonaws.com/team/app:1": {"127.0.0.1:5000/team/app:1", "999999999999", "eu-west-1"},
		"127.0.0.1:5000/app":  {"127.0.0.1:5000/app", "123456789012", "us-east-1"},
		"127.0.0.1:50000/app": {"127.0.0.1:50000/app", "", ""},
		"busybox":             {"busybox", "", ""},
	} {
		d := definition(t, []byte(`{"family":"f","containerDefinitions":[{"name":"app","memory":8,"image":"`+image+`"}]}`))
		c := r.Task(task(), d, now).Containers[0]
		account, region := "", ""
		if a := c.RegistryAuthentication; a != nil {
			account, region = a.ECRAuthData.RegistryID, a.ECRAuthData.Region
		}
		if c.Image != want.image || account != want.account || region != want.region {
			t.Errorf("%s: %s with account %q in %q", image, c.Image, account, region)
		}
	}
}

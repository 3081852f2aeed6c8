//go:build integration

package container

import (
	"archive/tar"
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"io"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/docker/docker/api/types/image"

	"github.com/aws/amazon-ecs-agent/agent/awsclient"
	"github.com/aws/amazon-ecs-agent/agent/config"
	"github.com/aws/amazon-ecs-agent/agent/credentials"
	"github.com/aws/amazon-ecs-agent/agent/resource/firelens"
	"github.com/aws/amazon-ecs-agent/agent/task"
)

// oneObject is an Amazon S3 with a single object.
type oneObject string

func (oneObject) BucketRegion(context.Context, string, awsclient.CredentialsProvider, string) (string, error) {
	return "us-west-2", nil
}

func (o oneObject) Object(_ context.Context, _ string, _ awsclient.CredentialsProvider, _, _ string, body func(io.Reader) error) error {
	return body(strings.NewReader(string(o)))
}

// routerImage is an image that holds nothing but the example log router, which understands the generated configuration.
func routerImage(t *testing.T) string {
	t.Helper()
	program := filepath.Join(t.TempDir(), "router")
	build := exec.Command("go", "build", "-o", program, "github.com/aws/amazon-ecs-agent/misc/example-log-router")
	build.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS=linux")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	text, err := os.ReadFile(program)
	if err != nil {
		t.Fatal(err)
	}
	var archive bytes.Buffer
	w := tar.NewWriter(&archive)
	w.WriteHeader(&tar.Header{Name: "router", Mode: 0o755, Size: int64(len(text))})
	w.Write(text)
	w.Close()
	name := "agent-router-integ:" + strings.ToLower(rand.Text())
	answer, err := sdk.ImageImport(t.Context(), image.ImportSource{Source: &archive, SourceName: "-"}, name, image.ImportOptions{Changes: []string{`ENTRYPOINT ["/router"]`}})
	if err != nil {
		t.Fatal(err)
	}
	io.Copy(io.Discard, answer)
	answer.Close()
	t.Cleanup(func() {
		_, _ = sdk.ImageRemove(context.WithoutCancel(t.Context()), name, image.RemoveOptions{Force: true})
	})
	return name
}

// routed is what the log router sends to the listener for a line.
type routed struct {
	Tag    string
	Record map[string]any
}

func TestLogsGoThroughTheLogRouter(t *testing.T) {
	const canary = "canary-of-a-token"
	app := `for line in "drop this" "keep this"; do echo $line; done
		printf '\223\244mine\001\201\243log\243tcp' | nc $FLUENT_HOST $FLUENT_PORT; exec sleep 1000`
	command, _ := json.Marshal([]string{"sh", "-c", app})
	h := prepare(t, `{"executionCredentialsID":"role","NetworkMode":"bridge","Containers":[
		{"Name":"router","firelensConfiguration":{"type":"fluentbit","options":{"config-file-type":"s3","config-file-value":"arn:aws:s3:::bucket/more.conf"}},
		 "dockerConfig":{"config":"{\"User\":\"1234:5678\"}"}},
		{"Name":"app","Command":`+string(command)+`,"secrets":[{"name":"Token","valueFrom":"/token","provider":"ssm","type":"BOOTSTRAP","target":"LOG_DRIVER"}],
		 "dockerConfig":{"hostConfig":"{\"LogConfig\":{\"Type\":\"awsfirelens\",\"Config\":{\"Name\":\"tcp\",\"Host\":\"/out/listener\",\"include-pattern\":\"this\",\"exclude-pattern\":\"^drop\"}}}"}}]}`)
	h.task.Containers[0].Image = routerImage(t)

	// The path of a socket has to be short.
	data, err := os.MkdirTemp("", "ecs")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(data) })
	roles := &credentials.Store{}
	roles.Set(credentials.Credentials{ID: "role", AccessKeyID: "a", SecretAccessKey: "s"})
	cfg := &config.Config{DataDirOnHost: data, FirelensAsyncEnabled: true, DynamicHostPortRange: "42100-42199", DockerStopTimeout: time.Second,
		ContainerCreateTimeout: 4 * time.Minute, ContainerStartTimeout: 3 * time.Minute}
	h.runner, err = New(cfg, engine, noImages{}, roles, Host{Secret: func(*task.Task, task.Secret) (string, error) { return canary, nil }})
	if err != nil {
		t.Fatal(err)
	}
	craft := &firelens.Craft{Dir: filepath.Join(data, "data", "firelens"), HostDir: filepath.Join(data, "data", "firelens"), Cluster: "integ",
		Objects: oneObject("[OUTPUT]\n    Name tcp\n    Match mine\n    Host /out/listener\n"), Roles: roles}
	resources, err := craft.Plan(h.task)
	if err != nil {
		t.Fatal(err)
	}
	for range 2 { // an agent that was killed does it again
		if err := craft.Create(t.Context(), h.task, &resources[0]); err != nil {
			t.Fatal(err)
		}
	}
	lines := listen(t, filepath.Join(h.out, "listener"))
	for i := range h.task.Containers {
		h.create(i)
		h.start(i)
	}

	got, sawToken := map[string]routed{}, false
	for len(got) < 2 || !sawToken {
		select {
		case line := <-lines:
			var r routed
			if line == "token "+canary {
				sawToken = true
			} else if err := json.Unmarshal([]byte(line), &r); err != nil {
				t.Fatalf("%q: %v", line, err)
			} else {
				got[r.Tag] = r
			}
		case <-time.After(30 * time.Second):
			t.Fatalf("no more lines; got %v, token %t", got, sawToken)
		}
	}
	logged, sent := got["app-firelens-"+h.task.ID()].Record, got["mine"].Record
	if logged["log"] != "keep this" || logged["ecs_cluster"] != "integ" || logged["ecs_task_arn"] != h.task.ARN || logged["container_id"] != h.task.Containers[1].RuntimeID {
		t.Errorf("from Docker: %v", logged)
	}
	if sent["log"] != "tcp" || sent["ecs_task_definition"] != "integ:1" {
		t.Errorf("from the container itself: %v", sent)
	}
	err = filepath.WalkDir(data, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		text, err := os.ReadFile(path)
		if bytes.Contains(text, []byte(canary)) {
			t.Errorf("%s has the secret", path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}

	h.remove()
	h.task.Containers = nil
	for range 2 {
		if err := craft.Remove(t.Context(), h.task, &resources[0]); err != nil {
			t.Fatal(err)
		}
	}
	if left, err := os.ReadDir(craft.Dir); len(left) != 0 {
		t.Errorf("%v is left, %v", left, err)
	}
}

// listen gives the lines that arrive at a unix socket which everybody may use.
func listen(t *testing.T, path string) <-chan string {
	t.Helper()
	listener, err := net.Listen("unix", path)
	if err == nil {
		err = os.Chmod(path, 0o777)
	}
	if err != nil {
		t.Fatal(err)
	}
	lines, over := make(chan string, 64), make(chan struct{})
	go func() {
		defer close(over)
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			conn.SetDeadline(time.Now().Add(10 * time.Second))
			text, _ := io.ReadAll(conn)
			conn.Close()
			for line := range strings.Lines(string(text)) {
				select {
				case lines <- strings.TrimSuffix(line, "\n"):
				default: // nobody waits for it any more
				}
			}
		}
	}()
	t.Cleanup(func() {
		listener.Close()
		<-over
	})
	return lines
}

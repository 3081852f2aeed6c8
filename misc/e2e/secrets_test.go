//go:build e2e

package e2e

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/aws/amazon-ecs-agent/agent/docker/dockertest"
	"github.com/aws/amazon-ecs-agent/misc/e2e/rig"
)

const (
	// canary is part of every secret value of these tests, and must show up nowhere but in containers.
	canary        = "CANARY-7d3f"
	executionRole = "arn:aws:iam::123456789012:role/e2e-execution"
	secretPrefix  = "arn:aws:secretsmanager:us-east-1:123456789012:secret:"
)

// awsData makes the files that stand in for other services; the registry opens with the password.
func awsData(t *testing.T, registry *dockertest.Registry, password string) (dir string) {
	t.Helper()
	files := map[string]string{
		"parameters.json":       `{"/db/password":{"$versions":[{"value":"` + canary + `-first","labels":["former"]},{"value":"` + canary + `-parameter"}]},"/log/tag":"` + canary + `-tag","/log/size":"` + canary + `-size"}`,
		"secrets.json":          fmt.Sprintf(`{"db":{"user":"%[1]s-user","password":"%[1]s-password"},"rotated":{"$versions":[{"value":{"user":"%[1]s-old"}},{"value":"%[1]s-new"}]},"registry":{"username":%[2]q,"password":%[3]q}}`, canary, dockertest.User, password),
		"s3/bucket/router.conf": "# nothing more\n",
		"s3/bucket/dir/a.env":   "FROM_FILE=" + canary + "-file\nDB_USER=ignored\n",
	}
	if registry != nil {
		files["registry.json"] = fmt.Sprintf(`{"address":%q,"username":%q,"password":%q}`, registry.Addr, dockertest.User, password)
	}
	dir = t.TempDir()
	for name, text := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// newSecretsHost is a host whose agent asks local-ecs for everything.
func newSecretsHost(t *testing.T, registry *dockertest.Registry, password string) *host {
	t.Helper()
	h := newHost(t, "--aws-data", awsData(t, registry, password))
	h.env = map[string]string{"AWS_ENDPOINT_URL": h.Endpoint, "ECS_LOGLEVEL": "debug", "ECS_AVAILABLE_LOGGING_DRIVERS": `["json-file","none"]`}
	return h
}

// withSecrets adds everything that is fetched to a definition of one container.
func withSecrets(d definition) definition {
	d["executionRoleArn"] = executionRole
	c := d["containerDefinitions"].([]any)[0].(map[string]any)
	c["secrets"] = []any{
		map[string]string{"name": "DB_PASSWORD", "valueFrom": "/db/password"},
		map[string]string{"name": "DB_USER", "valueFrom": secretPrefix + "db-AbCdEf:user::"},
		map[string]string{"name": "DB_SECRET", "valueFrom": secretPrefix + "db-AbCdEf:password::"},
		map[string]string{"name": "DB_FORMER", "valueFrom": "arn:aws:ssm:us-east-1:123456789012:parameter/db/password:former"},
		map[string]string{"name": "ROTATED", "valueFrom": secretPrefix + "rotated-AbCdEf"},
		map[string]string{"name": "ROTATED_STAGE", "valueFrom": secretPrefix + "rotated-AbCdEf:user:AWSPREVIOUS:"},
		map[string]string{"name": "ROTATED_ID", "valueFrom": secretPrefix + "rotated-AbCdEf:::00000000-0000-4000-8000-000000000002"},
	}
	c["environmentFiles"] = []any{map[string]string{"type": "s3", "value": "arn:aws:s3:::bucket/dir/a.env"}}
	c["logConfiguration"] = map[string]any{"logDriver": "json-file",
		"secretOptions": []any{map[string]string{"name": "tag", "valueFrom": "/log/tag"}}}
	return d
}

// calls counts what was asked of other services.
func (h *host) calls() map[string]int {
	h.t.Helper()
	_, body, err := rig.Get(h.ctx(), h.Endpoint+"/_local/aws-calls")
	h.must(err)
	var calls map[string]int
	h.must(json.Unmarshal(body, &calls))
	return calls
}

// inDocker is what Docker says about a container.
func (h *host) inDocker(id string) string { return h.docker("inspect", id) }

// hides fails when the canary is in a text, or in a file of the agent.
func (h *host) hides(what string, text []byte) {
	h.t.Helper()
	token := base64.StdEncoding.EncodeToString([]byte(dockertest.User + ":" + canary + "-registry")) // as Amazon ECR gives it
	for _, secret := range []string{canary, token} {
		if at := bytes.Index(text, []byte(secret)); at >= 0 {
			h.t.Errorf("%s shows a secret: …%.200q", what, text[max(0, at-100):])
		}
	}
}

// filesHideSecrets searches all files of the agent: data with agent.db, log, audit log.
func (h *host) filesHideSecrets() {
	h.t.Helper()
	searched := map[string]bool{}
	for _, dir := range []string{h.dir, h.env["ECS_HOST_DATA_DIR"]} {
		if dir == "" {
			continue
		}
		h.must(filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
			if err != nil || !entry.Type().IsRegular() {
				return err
			}
			text, err := os.ReadFile(path)
			h.hides(path, text)
			searched[entry.Name()] = true
			return err
		}))
	}
	for _, name := range []string{"agent.db", "agent.log", "audit.log"} {
		if !searched[name] {
			h.t.Errorf("%s was not searched", name)
		}
	}
}

// answersHideSecrets searches what anybody may ask the agent, and what the agent has told ECS. inDocker is what Docker says
// about a container of the task.
func (h *host) answersHideSecrets(inDocker string) {
	h.t.Helper()
	_, path, found := strings.Cut(inDocker, "ECS_CONTAINER_METADATA_URI_V4=http://169.254.170.2")
	if !found {
		h.t.Error("the container does not know its metadata")
	}
	path, _, _ = strings.Cut(path, `"`)
	pages := []string{rig.Introspection + "/"}
	for _, page := range []string{"tasks", "status", "metadata"} {
		pages = append(pages, rig.Introspection+"/v1/"+page)
	}
	for _, page := range []string{"", "/task", "/taskWithTags", "/stats", "/task/stats"} {
		pages = append(pages, rig.TaskAPI+path+page)
	}
	for _, page := range pages {
		status, body, err := rig.Get(h.ctx(), page)
		h.must(err)
		if status != 200 && !strings.HasSuffix(page, "stats") && !strings.HasSuffix(page, "Tags") {
			h.t.Errorf("%s: status %d", page, status)
		}
		h.hides(page, body)
	}
	submitted, err := json.Marshal(h.submissions(""))
	h.must(err)
	h.hides("what ECS was told", submitted)
}

// noFilesLeft waits until environment files are gone.
func (h *host) noFilesLeft() {
	h.t.Helper()
	h.poll("the environment files to go", func() (bool, error) {
		found, err := filepath.Glob(filepath.Join(h.dir, "data", "envfiles"))
		return len(found) == 0, err
	})
}

func TestSecretsReachContainersAndNothingElse(t *testing.T) {
	registry := dockertest.StartRegistry(t, false) // takes any password
	h := newSecretsHost(t, registry, canary+"-registry")
	h.env["ECS_ENABLE_CONTAINER_METADATA"] = "true"
	h.start()
	d := withSecrets(oneContainer("serve"))
	for _, name := range []string{"ecr", "asm"} {
		c := container(name, "wait")
		c["image"] = registry.Push(t, dockertest.Name(name)+":1", "NAME="+name)
		dockertest.RemoveImage(t, c["image"].(string))
		d["containerDefinitions"] = append(d["containerDefinitions"].([]any), c)
		if name == "asm" {
			c["repositoryCredentials"] = map[string]string{"credentialsParameter": secretPrefix + "registry-AbCdEf"}
		}
	}
	arn := h.runTask(h.register(d))
	h.await("RUNNING", arn)
	seen := h.inDocker(h.containers(arn)["main"].ID)
	for _, want := range []string{"DB_PASSWORD=" + canary + "-parameter", "DB_USER=" + canary + "-user", "DB_SECRET=" + canary + "-password",
		"DB_FORMER=" + canary + "-first", "ROTATED=" + canary + "-new", "ROTATED_STAGE=" + canary + "-old", "ROTATED_ID=" + canary + "-new",
		"FROM_FILE=" + canary + "-file", `"tag": "` + canary + `-tag"`} {
		if !strings.Contains(seen, want) {
			t.Errorf("the container lacks %s:\n%s", want, seen)
		}
	}
	for operation, want := range map[string]int{"GetParameters": 1, "GetSecretValue": 5, "HeadBucket": 1, "GetObject": 1, "GetAuthorizationToken": 1} {
		if got := h.calls()[operation]; got != want {
			t.Errorf("%d calls of %s, want %d", got, operation, want)
		}
	}
	h.noFilesLeft()
	h.filesHideSecrets()

	h.answersHideSecrets(seen)

	// Docker refuses this log option and says why, with its value.
	refused := withSecrets(oneContainer("serve"))
	c := refused["containerDefinitions"].([]any)[0].(map[string]any)
	c["logConfiguration"] = map[string]any{"logDriver": "json-file",
		"secretOptions": []any{map[string]string{"name": "max-size", "valueFrom": "/log/size"}}}
	failed := h.await("STOPPED", h.runTask(h.register(refused)))[0]
	if reason := failed.Containers[0].Reason; !strings.Contains(reason, "[redacted]") {
		t.Errorf("reason %q", reason)
	}
	h.answersHideSecrets(seen)

	h.must(h.Stop(h.ctx(), arn, "enough"))
	h.await("STOPPED", arn)
	h.terminate()
	h.filesHideSecrets()
}

func TestImagesOfPrivateRegistries(t *testing.T) {
	registry := dockertest.StartRegistry(t, true)
	h := newSecretsHost(t, registry, dockertest.Password)
	delete(h.env, "ECS_IMAGE_PULL_BEHAVIOR")
	first, second := dockertest.Name("first")+":1", dockertest.Name("second")+":1"
	registry.Push(t, first)
	registry.Push(t, second, "DIFFERENT=yes")
	for _, name := range []string{first, second} {
		dockertest.RemoveImage(t, registry.Addr+"/"+name)
	}
	h.start()
	ecr, asm := container("ecr", "wait"), container("asm", "wait")
	ecr["image"] = "210987654321.dkr.ecr.us-east-1.amazonaws.com/" + first
	asm["image"] = registry.Addr + "/" + second
	asm["repositoryCredentials"] = map[string]string{"credentialsParameter": secretPrefix + "registry-AbCdEf"}
	d := definition{"family": "private", "networkMode": "bridge", "executionRoleArn": executionRole, "containerDefinitions": []any{ecr, asm}}
	name := h.register(d)
	h.await("RUNNING", h.runTask(name), h.runTask(name))
	// The tasks have credentials of their own, so each asks for its token, once for both image steps.
	if calls := h.calls(); calls["GetAuthorizationToken"] != 2 || calls["GetSecretValue"] != 2 {
		t.Errorf("calls %v", calls)
	}

	// The role may not, or the secret is not there.
	_, err := h.Spoil(h.ctx(), rig.Fault{"operation": "GetAuthorizationToken", "action": "error", "errorType": "AccessDeniedException", "errorText": "not authorized to perform ecr:GetAuthorizationToken"})
	h.must(err)
	ecr["image"] = "210987654321.dkr.ecr.us-east-1.amazonaws.com/" + dockertest.Name("other") + ":1"
	denied := h.await("STOPPED", h.runTask(h.register(definition{"family": "denied", "networkMode": "bridge", "executionRoleArn": executionRole, "containerDefinitions": []any{ecr}})))[0]
	if got := denied.StoppedReason + denied.Containers[0].Reason; !strings.Contains(got, "CannotPullECRContainerError: operation error ECR: GetAuthorizationToken") || !strings.Contains(got, "AccessDeniedException: not authorized") {
		t.Errorf("reason %q", got)
	}
	asm["repositoryCredentials"] = map[string]string{"credentialsParameter": secretPrefix + "nope-AbCdEf"}
	missing := h.await("STOPPED", h.runTask(h.register(definition{"family": "missing", "networkMode": "bridge", "executionRoleArn": executionRole, "containerDefinitions": []any{asm}})))[0]
	if want := "Asm fetching secret from the service for " + secretPrefix + "nope-AbCdEf: operation error Secrets Manager: GetSecretValue"; !strings.HasPrefix(missing.StoppedReason, want) {
		t.Errorf("reason %q", missing.StoppedReason)
	}
}

// What other services refuse ends its own task, with the reason that users look up; others run.
func TestWhatCannotBeFetchedIsExplained(t *testing.T) {
	h := newSecretsHost(t, nil, "")
	h.start()
	with := func(valueFrom string, files ...string) string {
		d := oneContainer("serve")
		d["executionRoleArn"] = executionRole
		c := d["containerDefinitions"].([]any)[0].(map[string]any)
		if valueFrom != "" {
			c["secrets"] = []any{map[string]string{"name": "S", "valueFrom": valueFrom}}
		}
		var list []any
		for _, f := range files {
			list = append(list, map[string]string{"type": "s3", "value": f})
		}
		c["environmentFiles"] = list
		return h.register(d)
	}
	fault := func(operation, contains, kind, text string) rig.Fault {
		return rig.Fault{"operation": operation, "contains": contains, "action": "error", "errorType": kind, "errorText": text}
	}
	_, err := h.Spoil(h.ctx(),
		fault("GetParameters", "/denied", "AccessDeniedException", "not authorized to perform ssm:GetParameters"),
		fault("GetParameters", "/throttled", "ThrottlingException", "Rate exceeded"),
		fault("GetSecretValue", "denied", "AccessDeniedException", "not authorized to perform secretsmanager:GetSecretValue"))
	h.must(err)
	const ssm = "Fetching secret data from SSM Parameter Store in us-east-1: "
	cases := []struct{ definition, starts, contains string }{
		{with("/missing"), ssm + "invalid parameters: /missing", ""},
		{with("/denied"), ssm + "operation error SSM: GetParameters", "AccessDeniedException: not authorized"},
		{with("/throttled"), ssm + "operation error SSM: GetParameters, exceeded maximum number of attempts, 3", "ThrottlingException: Rate exceeded"},
		{with(secretPrefix + "nope-AbCdEf"), "ResourceNotFoundException: The task can't retrieve the secret with ARN '" + secretPrefix + "nope-AbCdEf' from AWS Secrets Manager. Check whether the secret exists in the specified Region: ", ""},
		{with(secretPrefix + "denied-AbCdEf"), "Secret " + secretPrefix + "denied-AbCdEf: operation error Secrets Manager: GetSecretValue", "AccessDeniedException: not authorized"},
		{with(secretPrefix + "db-AbCdEf:nope::"), "Retrieved secret from Secrets Manager did not contain json key nope", ""},
		{with("", "arn:aws:s3:::bucket/nope.env"), "Unable to download env file with key nope.env from bucket bucket, error: operation error S3: GetObject", "NoSuchKey: The specified key does not exist."},
		{with("", "arn:aws:s3:::nope/a.env"), "Unable to initialize s3 client for bucket nope, error: operation error S3: HeadBucket", "NotFound"},
		{with("", "arn:aws:s3:::bucket/../../../a.env"), "Unable to initialize envfile resource directory, error: invalid path: bucket \"bucket\" key \"../../../a.env\" escapes envfile resource directory", ""},
	}
	var arns []string
	for _, c := range cases {
		arns = append(arns, h.runTask(c.definition))
	}
	others := []string{h.runTask(with("/db/password")), h.runTask(with(secretPrefix+"db-AbCdEf", "arn:aws:s3:::bucket/dir/a.env")), h.runTask(with(""))}
	h.await("RUNNING", others...)
	for i, task := range h.await("STOPPED", arns...) {
		if !strings.HasPrefix(task.StoppedReason, cases[i].starts) || !strings.Contains(task.StoppedReason, cases[i].contains) {
			t.Errorf("reason %q\nwant   %q … %q", task.StoppedReason, cases[i].starts, cases[i].contains)
		}
	}
	h.noFilesLeft()
}

// An agent that is killed while it fetches begins anew: one container, the right values, nothing left over.
func TestKilledWhileFetching(t *testing.T) {
	h := newSecretsHost(t, nil, "")
	h.env["ECS_ENGINE_TASK_CLEANUP_WAIT_DURATION"] = "1s"
	h.start()
	slow := rig.Fault{"operation": "Get[OPS]*", "action": "delay", "delayMs": 60_000} // GetObject, GetParameters, GetSecretValue
	_, err := h.Spoil(h.ctx(), slow)
	h.must(err)
	name := h.register(withSecrets(oneContainer("serve")))
	runs, stopped := h.runTask(name), h.runTask(name)
	h.poll("the calls to be under way", func() (bool, error) {
		c := h.calls()
		return c["GetObject"] >= 2 && c["GetSecretValue"] >= 8 && c["GetParameters"] >= 1, nil
	})
	h.agent.Kill()
	h.must(h.Stop(h.ctx(), stopped, "meanwhile"))
	h.must(h.Heal(h.ctx()))
	h.start()
	task := h.await("RUNNING", runs)[0]
	if seen := h.inDocker(task.Containers[0].RuntimeID); !strings.Contains(seen, "FROM_FILE="+canary+"-file") || !strings.Contains(seen, "DB_USER="+canary+"-user") {
		t.Errorf("the container lacks its secrets:\n%s", seen)
	}
	h.containers(runs) // fails when there are two of them
	h.await("STOPPED", stopped)
	h.noFilesLeft()

	// Killed between the fetch and its use, and stopped before it comes back.
	_, err = h.Spoil(h.ctx(), rig.Fault{"operation": "GetParameters", "action": "delay", "delayMs": 60_000})
	h.must(err)
	third := h.runTask(name)
	h.poll("the file to be there", func() (bool, error) {
		found, err := filepath.Glob(filepath.Join(h.dir, "data", "envfiles", "*", third[strings.LastIndexByte(third, '/')+1:], "bucket", "dir", "a.env"))
		return len(found) == 1, err
	})
	h.agent.Kill()
	h.must(h.Stop(h.ctx(), third, "meanwhile"))
	h.must(h.Stop(h.ctx(), runs, "enough"))
	h.must(h.Heal(h.ctx()))
	h.start()
	h.await("STOPPED", runs, third)
	h.noFilesLeft()
	h.poll("the containers to go", func() (bool, error) {
		left, err := docker.Containers(h.ctx(), h.part())
		return len(left) == 0, err
	})
	h.terminate()
	h.filesHideSecrets()
}

package firelens

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/aws/amazon-ecs-agent/agent/awsclient"
	"github.com/aws/amazon-ecs-agent/agent/credentials"
	"github.com/aws/amazon-ecs-agent/agent/goldenfile"
	"github.com/aws/amazon-ecs-agent/agent/task"
)

const arn = "arn:aws:ecs:us-west-2:123456789012:task/demo/0f1e2d3c4b5a"

// objects are those of Amazon S3.
type objects map[string]string

func (o objects) BucketRegion(_ context.Context, region string, _ awsclient.CredentialsProvider, bucket string) (string, error) {
	if bucket == "nowhere" {
		return "", errors.New("no such bucket")
	}
	return "region-of-" + bucket, nil
}

func (o objects) Object(_ context.Context, region string, _ awsclient.CredentialsProvider, bucket, key string, body func(io.Reader) error) error {
	if err := body(strings.NewReader("the beginning of an attempt that failed, longer than the file")); err != nil {
		return err
	}
	text, found := o[bucket+"/"+key]
	if !found || region != "region-of-"+bucket {
		return errors.New("NoSuchKey: in " + region)
	}
	return body(strings.NewReader(text))
}

func newCraft(t *testing.T) *Craft {
	t.Helper()
	k := &Craft{Dir: t.TempDir(), HostDir: "/var/lib/ecs/data/firelens", Cluster: "demo", InstanceID: func() string { return "i-1" }, Region: "us-west-2",
		Objects: objects{"bucket/path/more.conf": "[OUTPUT]\n    Name null\n"}, Roles: &credentials.Store{}}
	k.Roles.Set(credentials.Credentials{ID: "role", AccessKeyID: "a", SecretAccessKey: "s"})
	return k
}

// golden is a task in testdata/<case>.json; the file for its router is <case>.conf.
func golden(t *testing.T, file string) *task.Task {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	owner := &task.Task{ARN: arn, Family: "web", Revision: "3", ExecutionCredentialsID: "role"}
	if err := json.Unmarshal(text, owner); err != nil {
		t.Fatal(err)
	}
	return owner
}

func TestConfigurationFilesMatchTheGoldenFiles(t *testing.T) {
	inputs, err := filepath.Glob("testdata/*.json")
	if err != nil || len(inputs) == 0 {
		t.Fatalf("no golden inputs: %v", err)
	}
	for _, file := range inputs {
		name := strings.TrimSuffix(filepath.Base(file), ".json")
		t.Run(name, func(t *testing.T) {
			k, owner := newCraft(t), golden(t, file)
			resources, err := k.Plan(owner)
			if err != nil || len(resources) != 1 {
				t.Fatal(resources, err)
			}
			for range 2 {
				if err := k.Create(t.Context(), owner, &resources[0]); err != nil {
					t.Fatal(err)
				}
			}
			got, err := os.ReadFile(filepath.Join(k.Dir, "0f1e2d3c4b5a/config/fluent.conf"))
			if err != nil {
				t.Fatal(err)
			}
			goldenfile.Check(t, filepath.Join("testdata", name+".conf"), got)
			if err := k.Remove(t.Context(), owner, &resources[0]); err != nil {
				t.Fatal(err)
			}
			if left, err := os.ReadDir(k.Dir); !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("%v is left, %v", left, err)
			}
		})
	}
}

// withRouter is a task with a router of the given type and options, and a container that sends it its logs.
func withRouter(kind string, options map[string]string, logOptions string) *task.Task {
	host := `{"LogConfig":{"Type":"awsfirelens","Config":` + logOptions + `}}`
	return &task.Task{ARN: arn, ExecutionCredentialsID: "role", Containers: []*task.Container{
		{Name: "router", Firelens: &task.FirelensConfig{Type: kind, Options: options}},
		{Name: "app", DockerConfig: task.DockerConfig{HostConfig: &host}},
	}}
}

func TestWhatIsKeptOfARouter(t *testing.T) {
	owner := withRouter("fluentd", map[string]string{"config-file-type": "file", "config-file-value": "/etc/more.conf"}, `{"@type":"http","log-driver-buffer-limit":"1"}`)
	owner.Family, owner.Revision = "web", "3"
	owner.Containers[0].Environment = map[string]string{"AWS_EXECUTION_ENV": "AWS_ECS_EC2"}
	owner.Containers[1].Secrets = []task.Secret{{Name: "token", Target: "LOG_DRIVER"}, {Name: "OTHER", Target: "CONTAINER"}}
	k := newCraft(t)
	resources, err := k.Plan(owner)
	if err != nil {
		t.Fatal(err)
	}
	var got map[string]any
	if err := json.Unmarshal(resources[0].Spec, &got); err != nil {
		t.Fatal(err)
	}
	want := map[string]any{
		"Cluster": "demo", "TaskARN": arn, "TaskDefinition": "web:3", "EC2InstanceID": "i-1", "ResourceDir": k.Dir + "/0f1e2d3c4b5a", "FirelensConfigType": "fluentd",
		"Region": "us-west-2", "ECSMetadataEnabled": true, "ExecutionCredentialsID": "role", "ExternalConfigType": "file", "ExternalConfigValue": "/etc/more.conf",
		"TerminalReason": "", "AppliedStatus": "NONE", "NetworkMode": "bridge",
		"ContainersToLogOptions": map[string]any{"app": map[string]any{"@type": "http", "token": `"#{ENV['token_1']}"`}},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestRoutersThatCannotBe(t *testing.T) {
	broken := withRouter("fluentd", nil, `{}`)
	broken.Containers[1].DockerConfig.HostConfig = new(string)
	for _, c := range []struct {
		name string
		task *task.Task
		want string
	}{
		{"of an unknown type", withRouter("logstash", nil, `{}`), "unsupported firelens config type logstash"},
		{"with a file from elsewhere", withRouter("fluentd", map[string]string{"config-file-type": "http", "config-file-value": "x"}, `{}`),
			"error parsing firelens options: invalid value http is specified for option config-file-type"},
		{"with a file that is not named", withRouter("fluentd", map[string]string{"config-file-type": "s3"}, `{}`),
			"error parsing firelens options: option config-file-type is specified but config-file-value is not specified"},
		{"for a container with a broken host config", broken, "unable to decode host config of container app: unexpected end of JSON input"},
	} {
		if _, err := newCraft(t).Plan(c.task); err == nil || err.Error() != "unable to initialize firelens resource: "+c.want {
			t.Errorf("%s: %v", c.name, err)
		}
	}
	if resources, err := newCraft(t).Plan(&task.Task{ARN: arn, Containers: []*task.Container{{}}}); len(resources) != 0 || err != nil {
		t.Errorf("a task without a router: %v, %v", resources, err)
	}
}

func TestReasonsWhenARouterCannotBePrepared(t *testing.T) {
	s3 := func(value string) map[string]string {
		return map[string]string{"config-file-type": "s3", "config-file-value": value}
	}
	asUser := func(user string) *task.Task {
		t := withRouter("fluentd", nil, `{}`)
		config := `{"User":"` + user + `"}`
		t.Containers[0].DockerConfig.Config = &config
		return t
	}
	noRole := withRouter("fluentd", s3("arn:aws:s3:::bucket/path/more.conf"), `{}`)
	noRole.ExecutionCredentialsID = ""
	for _, c := range []struct {
		name string
		task *task.Task
		want string
	}{
		{"options without an output, fluentd", withRouter("fluentd", nil, `{"key":"v"}`),
			"unable to generate firelens config file: unable to generate firelens config: unable to apply log options of container app to firelens config: missing output key @type which is required for firelens configuration of type fluentd"},
		{"options without an output, Fluent Bit", withRouter("fluentbit", nil, `{"name":"v"}`),
			"unable to generate firelens config file: unable to generate firelens config: unable to apply log options of container app to firelens config: missing output key Name which is required for firelens configuration of type fluentbit"},
		{"no credentials", noRole, "unable to download firelens s3 config file: unable to get execution role credentials"},
		{"not an ARN", withRouter("fluentd", s3("bucket/key"), `{}`), "unable to download firelens s3 config file: unable to parse bucket and key from s3 arn: invalid s3 arn: bucket/key"},
		{"no bucket", withRouter("fluentd", s3("arn:aws:s3:::nowhere/key"), `{}`), "unable to download firelens s3 config file: unable to initialize s3 client for bucket nowhere: no such bucket"},
		{"no object", withRouter("fluentd", s3("arn:aws:s3:::bucket/key"), `{}`),
			"unable to download firelens s3 config file: unable to download s3 config key from bucket bucket: NoSuchKey: in region-of-bucket"},
		{"a user by name", asUser("dog"), `unable to initialize resource directory DIR: unable to set socket directory ownership: unable to determine the user ID: strconv.Atoi: parsing "dog": invalid syntax`},
		{"too many parts", asUser("1234:dog:cat"), "unable to initialize resource directory DIR: unable to set socket directory ownership: unable to parse Firelens user: invalid format: expected 'user' or 'user:group'"},
		{"no group", asUser("1234:"), "unable to initialize resource directory DIR: unable to set socket directory ownership: unable to parse Firelens user: invalid format: group part cannot be empty when using 'user:group' format"},
		{"no user", asUser(":5"), "unable to initialize resource directory DIR: unable to set socket directory ownership: unable to parse Firelens user: invalid format: expected 'user' or 'user:group'"},
	} {
		t.Run(c.name, func(t *testing.T) {
			k := newCraft(t)
			resources, err := k.Plan(c.task)
			if err != nil {
				t.Fatal(err)
			}
			err = k.Create(t.Context(), c.task, &resources[0])
			if want := strings.ReplaceAll(c.want, "DIR", k.Dir+"/0f1e2d3c4b5a"); err == nil || err.Error() != want {
				t.Errorf("got  %v\nwant %s", err, want)
			}
			if temps, _ := filepath.Glob(k.Dir + "/0f1e2d3c4b5a/temp*"); len(temps) != 0 {
				t.Errorf("%v is left", temps)
			}
		})
	}
}

func TestNothingCanBeMadeWhereAFileIsInTheWay(t *testing.T) {
	k, owner := newCraft(t), withRouter("fluentd", nil, `{}`)
	resources, err := k.Plan(owner)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"config", "socket"} {
		path := filepath.Join(k.Dir, "0f1e2d3c4b5a")
		if err := errors.Join(os.RemoveAll(path), os.MkdirAll(path, 0o700), os.WriteFile(filepath.Join(path, name), nil, 0o600)); err != nil {
			t.Fatal(err)
		}
		if err := k.Create(t.Context(), owner, &resources[0]); err == nil ||
			!strings.HasPrefix(err.Error(), "unable to initialize resource directory "+path+": unable to create "+name+" directory: ") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestWhoOwnsTheSocketDirectory(t *testing.T) {
	self := os.Getgid()
	for user, want := range map[string][2]int{"1234": {1234, self}, "1234:6789": {1234, 6789}, "1234:abc": {1234, self}} {
		if uid, gid, named, err := ownerOf(user); uid != want[0] || gid != want[1] || !named || err != nil {
			t.Errorf("%s: %d:%d, %t, %v", user, uid, gid, named, err)
		}
	}
	if _, _, named, err := ownerOf(""); named || err != nil {
		t.Errorf("no user: %t, %v", named, err)
	}
	if os.Getuid() != 0 {
		t.Skip("only root may give files away")
	}
	k, owner := newCraft(t), withRouter("fluentbit", nil, `{}`)
	config := `{"User":"1234:6789"}`
	owner.Containers[0].DockerConfig.Config = &config
	resources, err := k.Plan(owner)
	if err == nil {
		err = k.Create(t.Context(), owner, &resources[0])
	}
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string][2]uint32{"socket": {1234, 6789}, "config": {0, uint32(self)}} {
		info, err := os.Stat(filepath.Join(k.Dir, "0f1e2d3c4b5a", name))
		if err != nil {
			t.Fatal(err)
		}
		if sys := info.Sys().(*syscall.Stat_t); sys.Uid != want[0] || sys.Gid != want[1] {
			t.Errorf("%s belongs to %d:%d", name, sys.Uid, sys.Gid)
		}
	}
}

func TestFilesOfARouter(t *testing.T) {
	k := newCraft(t)
	owner := withRouter("fluentbit", map[string]string{"config-file-type": "s3", "config-file-value": "arn:aws:s3:::bucket/path/more.conf"}, `{}`)
	resources, err := k.Plan(owner)
	if err == nil {
		err = k.Create(t.Context(), owner, &resources[0])
	}
	if err != nil || !resources[0].NeedsExecutionRole() {
		t.Fatal(err)
	}
	got := map[string]string{}
	err = filepath.WalkDir(k.Dir, func(path string, d os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		name, _ := filepath.Rel(k.Dir, path)
		got[name] = info.Mode().String()
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	delete(got, ".")
	want := map[string]string{
		"0f1e2d3c4b5a": "drwxr-xr-x", "0f1e2d3c4b5a/config": "drwxr-xr-x", "0f1e2d3c4b5a/socket": "drwxr-xr-x",
		"0f1e2d3c4b5a/config/fluent.conf": "-rw-r--r--", "0f1e2d3c4b5a/config/external.conf": "-rw-r--r--",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if text, err := os.ReadFile(filepath.Join(k.Dir, "0f1e2d3c4b5a/config/external.conf")); string(text) != "[OUTPUT]\n    Name null\n" {
		t.Errorf("%q, %v", text, err)
	}
}

// TestRecordsOfOtherAgents: older ones do not say all of it.
func TestRecordsOfOtherAgents(t *testing.T) {
	k, owner := newCraft(t), withRouter("fluentd", nil, `{}`)
	r := &task.Resource{Kind: task.ResourceFirelens, Spec: json.RawMessage(`{"AppliedStatus":"CREATED","Cluster":"c","ContainersToLogOptions":{"app":{"@type":"stdout"}},
		"ECSMetadataEnabled":true,"FirelensConfigType":"fluentd","ResourceDir":"/elsewhere","TaskARN":"a","TaskDefinition":"t:1","TerminalReason":""}`)}
	if err := k.Create(t.Context(), owner, r); err != nil {
		t.Fatal(err)
	}
	if err := k.Remove(t.Context(), owner, r); err != nil {
		t.Fatal(err)
	}
	if left, err := os.ReadDir(k.Dir); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("%v is left, %v", left, err)
	}
}

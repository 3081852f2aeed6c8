package envfile

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/aws/amazon-ecs-agent/agent/awsclient"
	"github.com/aws/amazon-ecs-agent/agent/credentials"
	"github.com/aws/amazon-ecs-agent/agent/resource/rooted"
	"github.com/aws/amazon-ecs-agent/agent/task"
)

const taskARN = "arn:aws:ecs:us-west-2:123456789012:task/mycluster/3de392df6bfa470b97edaa6f482cd7a0"

// fakeS3 holds objects by bucket/key.
type fakeS3 struct {
	mu      sync.Mutex
	objects map[string]string
	regions map[string]string // by bucket; default us-west-2
	errs    map[string]error  // by bucket, or by bucket/key
	broken  int               // this many downloads break off first
	hang    bool
	asked   []string
}

func (f *fakeS3) BucketRegion(_ context.Context, region string, keys awsclient.CredentialsProvider, bucket string) (string, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	c, _ := keys.Retrieve(context.Background())
	f.asked = append(f.asked, fmt.Sprintf("where is %s? %s %s", bucket, region, c.AccessKeyID))
	if err := f.errs[bucket]; err != nil {
		return "", err
	}
	if found := f.regions[bucket]; found != "" {
		return found, nil
	}
	return "us-west-2", nil
}

func (f *fakeS3) Object(ctx context.Context, region string, _ awsclient.CredentialsProvider, bucket, key string, body func(io.Reader) error) error {
	if f.hang {
		<-ctx.Done()
		return ctx.Err()
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.asked = append(f.asked, fmt.Sprintf("%s %s %s", region, bucket, key))
	if err := f.errs[bucket+"/"+key]; err != nil {
		return err
	}
	text, has := f.objects[bucket+"/"+key]
	if !has {
		return errors.New("NoSuchKey: The specified key does not exist.")
	}
	for ; f.broken > 0; f.broken-- {
		if err := body(strings.NewReader("GARBAGE=" + strings.Repeat("x", 100))); err != nil {
			return err
		}
	}
	return body(strings.NewReader(text))
}

func newCraft(t *testing.T, s3 *fakeS3) *Craft {
	t.Helper()
	k := &Craft{Dir: filepath.Join(t.TempDir(), "envfiles"), Cluster: "mycluster", Region: "us-west-2", Objects: s3, Roles: &credentials.Store{}}
	k.Roles.Set(credentials.Credentials{ID: "exec", AccessKeyID: "AKEXEC", SecretAccessKey: "s"})
	return k
}

func withFiles(values ...string) *task.Task {
	c := &task.Container{Name: "web"}
	for _, v := range values {
		c.EnvironmentFiles = append(c.EnvironmentFiles, task.EnvironmentFile{Value: v, Type: "s3"})
	}
	return &task.Task{ARN: taskARN, ExecutionCredentialsID: "exec", Containers: []*task.Container{c}}
}

// create plans and creates the resources of a task.
func create(t *testing.T, k *Craft, tk *task.Task) error {
	t.Helper()
	var err error
	if tk.Resources, err = k.Plan(tk); err != nil {
		t.Fatal(err)
	}
	for i := range tk.Resources {
		if err := k.Create(t.Context(), tk, &tk.Resources[i]); err != nil {
			return err
		}
	}
	return nil
}

func check(t *testing.T, what string, got, want any) {
	t.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", what, diff)
	}
}

func wantError(t *testing.T, err error, want string) {
	t.Helper()
	if err == nil || err.Error() != want {
		t.Errorf("got  %v\nwant %s", err, want)
	}
}

// files gives everything below a directory: relative path to content, directories with a slash.
func files(t *testing.T, dir string) map[string]string {
	t.Helper()
	found := map[string]string{}
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil || d.IsDir() {
			return err
		}
		content, err := os.ReadFile(path)
		rel, _ := filepath.Rel(dir, path)
		found[rel] = string(content)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

func TestFilesAreDownloadedOnceAndReadInOrder(t *testing.T) {
	s3 := &fakeS3{objects: map[string]string{"a/one.env": "A=1\nB=1\n", "b/dir/two.env": "B=2\n"}, regions: map[string]string{"b": "eu-west-1"}}
	k := newCraft(t, s3)
	tk := withFiles("arn:aws:s3:::b/dir/two.env", "arn:aws:s3:::a/one.env", "arn:aws:s3:::b/dir/two.env")
	if err := create(t, k, tk); err != nil {
		t.Fatal(err)
	}
	slices.Sort(s3.asked)
	check(t, "asked", s3.asked, []string{"eu-west-1 b dir/two.env", "us-west-2 a one.env", "where is a? us-west-2 AKEXEC", "where is b? us-west-2 AKEXEC"})
	const dir = "mycluster/3de392df6bfa470b97edaa6f482cd7a0/"
	check(t, "files", files(t, k.Dir), map[string]string{dir + "a/one.env": "A=1\nB=1\n", dir + "b/dir/two.env": "B=2\n"})
	got, err := k.Variables(tk, tk.Containers[0])
	if err != nil {
		t.Fatal(err)
	}
	check(t, "variables", got, []map[string]string{{"B": "2"}, {"A": "1", "B": "1"}, {"B": "2"}})

	for path, mode := range map[string]fs.FileMode{k.Dir: 0o700, filepath.Join(k.Dir, dir): 0o700, filepath.Join(k.Dir, dir, "b/dir"): 0o700, filepath.Join(k.Dir, dir, "a/one.env"): 0o600} {
		if info, err := os.Stat(path); err != nil || info.Mode().Perm() != mode {
			t.Errorf("%s: %v, %v", path, info.Mode(), err)
		}
	}
}

// What an attempt left that broke off is not in the file.
func TestADownloadThatIsRepeated(t *testing.T) {
	k := newCraft(t, &fakeS3{objects: map[string]string{"b/k": "A=1\n"}, broken: 2})
	tk := withFiles("arn:aws:s3:::b/k")
	if err := create(t, k, tk); err != nil {
		t.Fatal(err)
	}
	if err := k.Create(t.Context(), tk, &tk.Resources[0]); err != nil { // after a restart of the agent
		t.Fatal(err)
	}
	got, err := k.Variables(tk, tk.Containers[0])
	if err != nil {
		t.Fatal(err)
	}
	check(t, "variables", got, []map[string]string{{"A": "1"}})
}

func TestFailures(t *testing.T) {
	denied := errors.New("operation error S3: GetObject, AccessDenied: Access Denied")
	cases := []struct {
		name  string
		s3    *fakeS3
		files []string
		want  string
	}{
		{"no such key", &fakeS3{}, []string{"arn:aws:s3:::b/none.env"},
			"unable to download env file with key none.env from bucket b, error: NoSuchKey: The specified key does not exist."},
		{"no such bucket", &fakeS3{errs: map[string]error{"b": errors.New("NotFound: Not Found")}}, []string{"arn:aws:s3:::b/k", "arn:aws:s3:::b/l"},
			"unable to initialize s3 client for bucket b, error: NotFound: Not Found"},
		{"too large", &fakeS3{objects: map[string]string{"b/big.env": strings.Repeat("#", rooted.RefillLimit+1)}}, []string{"arn:aws:s3:::b/big.env"},
			"unable to download env file with key big.env from bucket b, error: the file is larger than 16 MiB"},
		{"several", &fakeS3{errs: map[string]error{"b/k": denied, "c/l": denied}}, []string{"arn:aws:s3:::c/l", "arn:aws:s3:::b/k"},
			"unable to download env file with key l from bucket c, error: " + denied.Error() + ";unable to download env file with key k from bucket b, error: " + denied.Error()},
		{"no ARN", &fakeS3{}, []string{"arn:aws:s3:::bucket"},
			"unable to parse bucket and key from s3 ARN specified in environmentFile arn:aws:s3:::bucket, error: invalid s3 arn: arn:aws:s3:::bucket"},
		{"out of the directory", &fakeS3{}, []string{"arn:aws:s3:::bucket/../../../../config.env"},
			`unable to initialize envfile resource directory, error: invalid path: bucket "bucket" key "../../../../config.env" escapes envfile resource directory`},
		{"out of the directory, later", &fakeS3{}, []string{"arn:aws:s3:::bucket/a/b/c/../../../../../../config.env"},
			`unable to initialize envfile resource directory, error: invalid path: bucket "bucket" key "a/b/c/../../../../../../config.env" escapes envfile resource directory`},
		{"out of the directory, backslashes", &fakeS3{}, []string{`arn:aws:s3:::bucket/a\b\c/../../../../config.env`},
			`unable to initialize envfile resource directory, error: invalid path: bucket "bucket" key "a\\b\\c/../../../../config.env" escapes envfile resource directory`},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			k := newCraft(t, c.s3)
			wantError(t, create(t, k, withFiles(c.files...)), c.want)
			check(t, "files", files(t, filepath.Dir(k.Dir)), map[string]string{})
		})
	}
}

func TestADownloadEndsAfterItsLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newCraft(t, &fakeS3{hang: true})
		began := time.Now()
		wantError(t, create(t, k, withFiles("arn:aws:s3:::b/k")), "unable to download env file with key k from bucket b, error: context deadline exceeded")
		if took := time.Since(began); took != 30*time.Second {
			t.Errorf("took %s", took)
		}
	})
}

func TestWithoutExecutionRoleNothingIsDownloaded(t *testing.T) {
	k := newCraft(t, &fakeS3{})
	tk := withFiles("arn:aws:s3:::b/k")
	tk.ExecutionCredentialsID = "another"
	wantError(t, create(t, k, tk), "environment file resource: unable to find execution role credentials")
}

func TestPathsOfFiles(t *testing.T) {
	const dir = "mycluster/3de392df6bfa470b97edaa6f482cd7a0/"
	for value, path := range map[string]string{
		"arn:aws:s3:::bucket/app.env":      dir + "bucket/app.env",
		"arn:aws:s3:::bucket/a/b/c.env":    dir + "bucket/a/b/c.env",
		"arn:aws:s3:::bucket/a/../app.env": dir + "bucket/app.env",
	} {
		_, key, _ := strings.Cut(value, "bucket/")
		k := newCraft(t, &fakeS3{objects: map[string]string{"bucket/" + key: "A=1"}})
		if err := create(t, k, withFiles(value)); err != nil {
			t.Fatal(err)
		}
		check(t, value, slices.Collect(maps.Keys(files(t, k.Dir))), []string{path})
	}
}

func TestFilesGoWhenTheyAreNotNeededAnyMore(t *testing.T) {
	for name, end := range map[string]func(*Craft, *task.Task){
		"released": func(k *Craft, tk *task.Task) { k.Release(t.Context(), tk, &tk.Resources[0]) },
		"removed": func(k *Craft, tk *task.Task) {
			if err := k.Remove(t.Context(), tk, &tk.Resources[0]); err != nil {
				t.Error(err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			k := newCraft(t, &fakeS3{objects: map[string]string{"b/k": "A=1"}})
			tk := withFiles("arn:aws:s3:::b/k")
			if err := create(t, k, tk); err != nil {
				t.Fatal(err)
			}
			other := withFiles("arn:aws:s3:::b/k")
			other.ARN += "b"
			if err := create(t, k, other); err != nil {
				t.Fatal(err)
			}
			k.Cluster = "arn:aws:ecs:us-west-2:123456789012:cluster/renamed" // the directory of the record counts
			end(k, tk)
			end(k, tk)
			check(t, "left", slices.Collect(maps.Keys(files(t, k.Dir))), []string{"mycluster/3de392df6bfa470b97edaa6f482cd7a0b/b/k"})
			if _, err := k.Variables(tk, tk.Containers[0]); !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("variables of files that are gone: %v", err)
			}
			end(k, other)
			if _, err := os.Stat(k.Dir); !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("an empty directory is left: %v", err)
			}
		})
	}
}

func TestFilesOfUnknownTasksAreSweptAway(t *testing.T) {
	k := newCraft(t, &fakeS3{objects: map[string]string{"b/k": "A=1"}})
	k.Sweep(nil) // there is no directory yet
	known, unknown := withFiles("arn:aws:s3:::b/k"), withFiles("arn:aws:s3:::b/k")
	unknown.ARN += "b"
	for _, tk := range []*task.Task{known, unknown} {
		if err := create(t, k, tk); err != nil {
			t.Fatal(err)
		}
	}
	k.Cluster = "other" // files of another cluster's tasks go as well
	k.Sweep([]*task.Task{known})
	check(t, "left", slices.Collect(maps.Keys(files(t, k.Dir))), []string{"mycluster/3de392df6bfa470b97edaa6f482cd7a0/b/k"})
	k.Sweep(nil)
	if err := os.MkdirAll(filepath.Join(k.Dir, "empty"), dirMode); err != nil { // as older agents leave it
		t.Fatal(err)
	}
	k.Sweep(nil)
	if _, err := os.Stat(k.Dir); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("empty directories are left: %v", err)
	}
}

func TestRemoveNeverLeavesTheDirectory(t *testing.T) {
	k := newCraft(t, &fakeS3{})
	keep := filepath.Join(filepath.Dir(k.Dir), "keep")
	if err := os.WriteFile(keep, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, spec := range []string{`{"cluster":".."}`, `{"cluster":"../.."}`, `{}`, `{`} {
		tk := withFiles()
		tk.ARN = "arn:aws:ecs:us-west-2:123456789012:task/mycluster/.."
		_ = k.Remove(t.Context(), tk, &task.Resource{Spec: json.RawMessage(spec)})
		if _, err := os.Stat(keep); err != nil {
			t.Fatalf("%s: %v", spec, err)
		}
	}
}

func TestRecords(t *testing.T) {
	k := newCraft(t, &fakeS3{})
	k.Cluster = "arn:aws:ecs:us-west-2:123456789012:cluster/mycluster"
	tk := withFiles("arn:aws:s3:::b/k")
	resources, err := k.Plan(tk)
	if err != nil {
		t.Fatal(err)
	}
	got, err := json.Marshal(task.Resources(resources))
	if err != nil {
		t.Fatal(err)
	}
	want := `{"envfile":[{"cluster":"mycluster","containerName":"web","createdAt":"0001-01-01T00:00:00Z","desiredStatus":"NONE",` +
		`"environmentFilesSource":[{"value":"arn:aws:s3:::b/k","type":"s3"}],"executionCredentialsID":"exec","knownStatus":"NONE","taskARN":"` + taskARN + `"}]}`
	check(t, "record", string(got), want)
	check(t, "name", resources[0].Name, "envfile_web")
}

func TestRecordsOfOtherAgents(t *testing.T) {
	k := newCraft(t, &fakeS3{objects: map[string]string{"b/k": "A=1"}})
	for name, spec := range map[string]string{
		"of the container":         `{"containerName":"web","environmentFilesSource":[{"type":"s3","value":"arn:aws:s3:::b/k"}],"knownStatus":"NONE","desiredStatus":"CREATED"}`,
		"without container's name": `{"environmentFilesSource":[{"type":"s3","value":"arn:aws:s3:::b/k"}],"knownStatus":"NONE","desiredStatus":"CREATED"}`,
	} {
		t.Run(name, func(t *testing.T) {
			tk := withFiles("arn:aws:s3:::b/k")
			if err := json.Unmarshal([]byte(`{"envfile":[`+spec+`]}`), &tk.Resources); err != nil {
				t.Fatal(err)
			}
			if err := k.Create(t.Context(), tk, &tk.Resources[0]); err != nil {
				t.Fatal(err)
			}
			got, err := k.Variables(tk, tk.Containers[0])
			if err != nil {
				t.Fatal(err)
			}
			check(t, "variables", got, []map[string]string{{"A": "1"}})
		})
	}
	_, err := k.Variables(withFiles("arn:aws:s3:::b/k"), withFiles("arn:aws:s3:::b/k").Containers[0])
	wantError(t, err, "task environment files: unable to retrieve environment files resource for container web")
}

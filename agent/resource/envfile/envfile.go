// Package envfile gives containers the variables of files in Amazon S3. The files are kept in a directory of the task
// from their download until the containers have been created.
package envfile

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"github.com/aws/amazon-ecs-agent/agent/awsapi"
	"github.com/aws/amazon-ecs-agent/agent/awsclient"
	"github.com/aws/amazon-ecs-agent/agent/credentials"
	"github.com/aws/amazon-ecs-agent/agent/logger"
	"github.com/aws/amazon-ecs-agent/agent/resource"
	"github.com/aws/amazon-ecs-agent/agent/resource/rooted"
	"github.com/aws/amazon-ecs-agent/agent/task"
)

// Directories and files are for the agent alone: the files may hold secrets.
const (
	dirMode  = 0o700
	fileMode = 0o600
)

// Craft downloads and reads environment files.
type Craft struct {
	// Dir holds the files of all tasks: <Dir>/<cluster>/<task id>/<bucket>/<key>.
	Dir     string
	Cluster string // name or ARN
	Region  string // of the instance
	Objects resource.Objects
	Roles   *credentials.Store
}

// record is the object of the resource in agent.db.
type record struct {
	TaskARN                string                 `json:"taskARN"`
	Container              string                 `json:"containerName"`
	Files                  []task.EnvironmentFile `json:"environmentFilesSource"`
	ExecutionCredentialsID string                 `json:"executionCredentialsID"`
	// Cluster is an addition of ours: the directory stays the same when the agent's configuration changes.
	Cluster string `json:"cluster,omitempty"`
}

var errNoRole = errors.New("environment file resource: unable to find execution role credentials")

// Plan asks for one resource per container that has environment files.
func (k *Craft) Plan(t *task.Task) ([]task.Resource, error) {
	var resources []task.Resource
	for _, c := range t.Containers {
		if len(c.EnvironmentFiles) == 0 {
			continue
		}
		spec, err := json.Marshal(record{t.ARN, c.Name, c.EnvironmentFiles, t.ExecutionCredentialsID, clusterName(k.Cluster)})
		if err != nil {
			return nil, fmt.Errorf("environment files of container %s: %w", c.Name, err)
		}
		resources = append(resources, task.Resource{Kind: task.ResourceEnvFiles, Name: task.EnvFilesName(c.Name), Spec: spec})
	}
	return resources, nil
}

func clusterName(cluster string) string { return cluster[strings.LastIndexByte(cluster, '/')+1:] }

func (k *Craft) read(r *task.Resource) (record, error) {
	var rec record
	if err := json.Unmarshal(r.Spec, &rec); err != nil {
		return rec, fmt.Errorf("environment files: unreadable record: %w", err)
	}
	if rec.Cluster == "" {
		rec.Cluster = clusterName(k.Cluster)
	}
	return rec, nil
}

// dir is the directory of a task, never Dir itself.
func (k *Craft) dir(t *task.Task, rec record) (string, error) {
	id, err := task.IDFromARN(t.ARN)
	if err != nil {
		return "", err
	}
	below, err := rooted.Inside(rec.Cluster, id)
	if err != nil {
		return "", err
	}
	return filepath.Join(k.Dir, below), nil
}

// object is a file to be read, and where it is kept.
type object struct{ bucket, key, path string }

// locate says which object a file is and where below the task's directory it goes.
func locate(f task.EnvironmentFile) (object, error) {
	bucket, key, err := awsapi.ParseObjectARN(f.Value)
	if err != nil {
		return object{}, fmt.Errorf("unable to parse bucket and key from s3 ARN specified in environmentFile %s, error: %w", f.Value, err)
	}
	path, err := rooted.Inside(bucket, key)
	if err != nil {
		return object{}, fmt.Errorf("unable to initialize envfile resource directory, error: invalid path: bucket %q key %q escapes envfile resource directory", bucket, key)
	}
	return object{bucket, key, path}, nil
}

// Create downloads the files of a container, all at the same time.
func (k *Craft) Create(ctx context.Context, t *task.Task, r *task.Resource) error {
	rec, err := k.read(r)
	if err != nil {
		return err
	}
	keys, held := resource.ExecutionKeys(k.Roles, t)
	if !held {
		return errNoRole
	}
	objects, err := distinct(rec.Files)
	if err != nil {
		return err
	}
	path, err := k.dir(t, rec)
	if err != nil {
		return err
	}
	dir, err := rooted.Open(path, dirMode)
	if err != nil {
		return fmt.Errorf("unable to initialize envfile resource directory, error: %w", err)
	}
	defer dir.Close()
	return k.downloadAll(ctx, keys, dir, objects)
}

// distinct gives each object once; the error tells about all files that name none.
func distinct(files []task.EnvironmentFile) ([]object, error) {
	var objects []object
	var failures failures
	for _, f := range files {
		o, err := locate(f)
		if err != nil {
			failures.add(err)
		} else if !slices.Contains(objects, o) {
			objects = append(objects, o)
		}
	}
	return objects, failures.err()
}

func (k *Craft) downloadAll(ctx context.Context, keys awsclient.CredentialsProvider, dir *rooted.Dir, objects []object) error {
	byBucket := map[string][]int{}
	for i, o := range objects {
		byBucket[o.bucket] = append(byBucket[o.bucket], i)
	}
	errs := make([]error, len(objects))
	var all sync.WaitGroup
	for bucket, indexes := range byBucket {
		all.Go(func() {
			region, err := k.Objects.BucketRegion(ctx, k.Region, keys, bucket)
			if err != nil {
				errs[indexes[0]] = fmt.Errorf("unable to initialize s3 client for bucket %s, error: %w", bucket, err)
				return
			}
			for _, i := range indexes {
				all.Go(func() { errs[i] = k.download(ctx, region, keys, dir, objects[i]) })
			}
		})
	}
	all.Wait()
	var failures failures
	for _, err := range errs {
		failures.add(err)
	}
	return failures.err()
}

func (k *Craft) download(ctx context.Context, region string, keys awsclient.CredentialsProvider, dir *rooted.Dir, o object) error {
	if err := dir.MkdirAll(filepath.Dir(o.path), dirMode); err != nil {
		return fmt.Errorf("unable to initialize envfile resource directory, error: %w", err)
	}
	err := resource.Download(ctx, k.Objects, keys, resource.Object{Region: region, Bucket: o.bucket, Key: o.key}, dir,
		rooted.File{Name: o.path, Temp: "tmp_env", Mode: fileMode})
	if err != nil {
		return fmt.Errorf("unable to download env file with key %s from bucket %s, error: %w", o.key, o.bucket, err)
	}
	return nil
}

// Variables reads the files of a container that is about to be created: one set per file, in the order of the task
// definition.
func (k *Craft) Variables(t *task.Task, c *task.Container) ([]map[string]string, error) {
	if len(c.EnvironmentFiles) == 0 {
		return nil, nil
	}
	rec, err := k.recordOf(t, c)
	if err != nil {
		return nil, err
	}
	path, err := k.dir(t, rec)
	if err != nil {
		return nil, err
	}
	dir, err := rooted.OpenExisting(path)
	if err != nil {
		return nil, err
	}
	defer dir.Close()
	var sets []map[string]string
	for _, f := range rec.Files {
		set, err := readFile(dir, f)
		if err != nil {
			return nil, err
		}
		sets = append(sets, set)
	}
	return sets, nil
}

// recordOf finds the record of a container. Those of old agents do not tell whose they are.
func (k *Craft) recordOf(t *task.Task, c *task.Container) (record, error) {
	for i := range t.Resources {
		r := &t.Resources[i]
		if r.Kind != task.ResourceEnvFiles {
			continue
		}
		rec, err := k.read(r)
		if err != nil {
			return rec, err
		}
		if rec.Container == c.Name || rec.Container == "" && slices.Equal(rec.Files, c.EnvironmentFiles) {
			return rec, nil
		}
	}
	return record{}, fmt.Errorf("task environment files: unable to retrieve environment files resource for container %s", c.Name)
}

func readFile(dir *rooted.Dir, f task.EnvironmentFile) (map[string]string, error) {
	o, err := locate(f)
	if err != nil {
		return nil, err
	}
	file, err := dir.Open(o.path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	return parse(file, func(line int) {
		logger.Warn("Line of an environment file has no name before its '='; skipped", logger.F("file", f.Value), logger.F("line", line))
	})
}

// Release removes the files of the task: all of its containers have been created.
func (k *Craft) Release(ctx context.Context, t *task.Task, r *task.Resource) {
	if err := k.Remove(ctx, t, r); err != nil {
		logger.Warn("Cannot remove environment files that are not needed any more; trying again when the task is cleaned up", logger.F("taskARN", t.ARN), logger.Err(err))
	}
}

// Remove removes the directory of the task, and those above it that are empty then.
func (k *Craft) Remove(_ context.Context, t *task.Task, r *task.Resource) error {
	rec, err := k.read(r)
	if err != nil {
		return err
	}
	dir, err := k.dir(t, rec)
	if err != nil {
		return err
	}
	if err := rooted.Remove(dir, k.Dir); err != nil {
		return fmt.Errorf("unable to remove envfile resource directory %s: %w", dir, err)
	}
	return nil
}

// Sweep removes the files of tasks that are not among the given ones: those of an agent that was killed and kept no state.
// To be called before the first Create.
func (k *Craft) Sweep(tasks []*task.Task) {
	known := map[string]bool{}
	for _, t := range tasks {
		if id, err := task.IDFromARN(t.ARN); err == nil {
			known[id] = true
		}
	}
	dirs, _ := filepath.Glob(filepath.Join(k.Dir, "*", "*")) // the pattern is sound
	for _, dir := range dirs {
		if known[filepath.Base(dir)] {
			continue
		}
		if err := rooted.Remove(dir, k.Dir); err != nil {
			logger.Warn("Cannot remove environment files of a task that is not known any more", logger.F("directory", dir), logger.Err(err))
		}
	}
	clusters, _ := filepath.Glob(filepath.Join(k.Dir, "*"))
	for _, dir := range clusters {
		rooted.Prune(dir, k.Dir)
	}
}

// failures are the texts of what went wrong, in order.
type failures []string

func (f *failures) add(err error) {
	if err != nil {
		*f = append(*f, err.Error())
	}
}

func (f failures) err() error {
	if len(f) == 0 {
		return nil
	}
	return errors.New(strings.Join(f, ";"))
}

// Package firelens prepares the log routers of tasks (FireLens): the directories that a router shares with Docker and its
// configuration file for Fluentd or Fluent Bit.
package firelens

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/aws/amazon-ecs-agent/agent/awsapi"
	"github.com/aws/amazon-ecs-agent/agent/credentials"
	"github.com/aws/amazon-ecs-agent/agent/logger"
	"github.com/aws/amazon-ecs-agent/agent/resource"
	"github.com/aws/amazon-ecs-agent/agent/resource/rooted"
	"github.com/aws/amazon-ecs-agent/agent/task"
)

// Names in the directory of a task.
const (
	configDir    = "config"
	socketDir    = "socket"
	configFile   = configDir + "/fluent.conf"
	externalFile = configDir + "/external.conf"
	tempPrefix   = "temp_config_file"
)

// Modes: a router may run as any user.
const (
	dirMode  = 0o777 // less the umask
	fileMode = 0o644
)

// maxSocketPath is how long the kernel lets the path of a socket be.
const maxSocketPath = 107

// Craft makes and removes what log routers need.
type Craft struct {
	// Dir holds the directories of all tasks, as the agent sees it; HostDir is the same directory as Docker sees it.
	Dir, HostDir string
	Cluster      string // as logs name it
	// InstanceID gives EC2's id of the instance, empty when there is none or it is not known.
	InstanceID func() string
	Region     string // of the instance
	Objects    resource.Objects
	Roles      *credentials.Store
}

// record is the object of a log router in agent.db.
type record struct {
	Cluster                string
	TaskARN                string
	TaskDefinition         string // <family>:<revision>
	EC2InstanceID          string // empty: logs do not name it
	ResourceDir            string
	FirelensConfigType     string
	Region                 string
	ECSMetadataEnabled     bool
	ContainersToLogOptions map[string]map[string]string
	ExecutionCredentialsID string
	ExternalConfigType     string // "", externalS3 or externalFromFile
	ExternalConfigValue    string
	TerminalReason         string
	AppliedStatus          task.ResourceStatus // always NONE: another agent waits for ever for what is being applied
	NetworkMode            string
}

// Plan describes the log router of a new task, if it has one.
func (k *Craft) Plan(t *task.Task) ([]task.Resource, error) {
	router := routerOf(t)
	if router == nil {
		return nil, nil
	}
	rec, err := k.describe(t, router)
	if err != nil {
		return nil, fmt.Errorf("unable to initialize firelens resource: %w", err)
	}
	spec, err := json.Marshal(rec)
	if err != nil {
		return nil, fmt.Errorf("unable to initialize firelens resource: %w", err)
	}
	if socket := filepath.Join(k.HostDir, t.ID(), socketDir, "fluent.sock"); len(socket) > maxSocketPath {
		logger.Warn("The path of the log router's socket is too long for the kernel: logs will not arrive; use a shorter ECS_HOST_DATA_DIR",
			logger.F("taskARN", t.ARN), logger.F("path", socket), logger.F("longest", maxSocketPath))
	}
	return []task.Resource{{Kind: task.ResourceFirelens, Name: task.ResourceFirelens, Spec: spec}}, nil
}

// Create makes the directories of a task, fetches the router's own configuration where that is in S3, and writes the
// configuration file.
func (k *Craft) Create(ctx context.Context, t *task.Task, r *task.Resource) error {
	rec, err := read(r)
	if err != nil {
		return err
	}
	router := routerOf(t)
	if router == nil {
		return errors.New("unable to generate firelens config file: the task has no log router")
	}
	path, err := k.dir(t)
	if err != nil {
		return err
	}
	dir, err := rooted.Open(path, dirMode)
	if err != nil {
		return fmt.Errorf("unable to initialize resource directory %s: unable to create config directory: %w", path, err)
	}
	defer dir.Close()
	if err := makeDirs(dir, path, router); err != nil {
		return fmt.Errorf("unable to initialize resource directory %s: %w", path, err)
	}
	if rec.ExternalConfigType == externalFromS3 {
		if err := k.download(ctx, t, rec, dir); err != nil {
			return fmt.Errorf("unable to download firelens s3 config file: %w", err)
		}
	}
	config, err := rec.generate(memoryOf(router))
	if err == nil {
		err = dir.Write(ctx, rooted.File{Name: configFile, Temp: tempPrefix, Mode: fileMode, Fill: func(f *os.File) error {
			_, err := f.WriteString(config)
			return err
		}})
	}
	if err != nil {
		return fmt.Errorf("unable to generate firelens config file: %w", err)
	}
	return nil
}

// Remove removes the directory of a task, and the one above it when it is empty then.
func (k *Craft) Remove(_ context.Context, t *task.Task, _ *task.Resource) error {
	dir, err := k.dir(t)
	if err != nil {
		return err
	}
	if err := rooted.Remove(dir, k.Dir); err != nil {
		return fmt.Errorf("unable to remove firelens resource directory %s: %w", dir, err)
	}
	return nil
}

// dir is the directory of a task, never Dir itself.
func (k *Craft) dir(t *task.Task) (string, error) {
	id, err := task.IDFromARN(t.ARN)
	if err != nil {
		return "", err
	}
	below, err := rooted.Inside(id)
	if err != nil {
		return "", err
	}
	return filepath.Join(k.Dir, below), nil
}

func read(r *task.Resource) (rec record, err error) {
	if err = json.Unmarshal(r.Spec, &rec); err != nil {
		return rec, fmt.Errorf("log router: unreadable record: %w", err)
	}
	return rec, nil
}

func makeDirs(dir *rooted.Dir, path string, router *task.Container) error {
	if err := dir.MkdirAll(configDir, dirMode); err != nil {
		return fmt.Errorf("unable to create config directory: %w", err)
	}
	if err := dir.MkdirAll(socketDir, dirMode); err != nil {
		return fmt.Errorf("unable to create socket directory: %w", err)
	}
	if err := own(filepath.Join(path, socketDir), router); err != nil {
		return fmt.Errorf("unable to set socket directory ownership: %w", err)
	}
	return nil
}

// download fetches the configuration file that the task definition names.
func (k *Craft) download(ctx context.Context, t *task.Task, rec record, dir *rooted.Dir) error {
	keys, held := resource.ExecutionKeys(k.Roles, t)
	if !held {
		return errors.New("unable to get execution role credentials")
	}
	bucket, key, err := awsapi.ParseObjectARN(rec.ExternalConfigValue)
	if err != nil {
		return fmt.Errorf("unable to parse bucket and key from s3 arn: %w", err)
	}
	region, err := k.Objects.BucketRegion(ctx, k.Region, keys, bucket)
	if err != nil {
		return fmt.Errorf("unable to initialize s3 client for bucket %s: %w", bucket, err)
	}
	err = resource.Download(ctx, k.Objects, keys, resource.Object{Region: region, Bucket: bucket, Key: key}, dir,
		rooted.File{Name: externalFile, Temp: tempPrefix, Mode: fileMode})
	if err != nil {
		return fmt.Errorf("unable to download s3 config %s from bucket %s: %w", key, bucket, err)
	}
	return nil
}

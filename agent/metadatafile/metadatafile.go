// Package metadatafile writes the files in which containers find what the agent knows about them
// (ECS_CONTAINER_METADATA_FILE). The file is written twice: with what is known before the container is created, and
// complete, marked READY, once it has started.
package metadatafile

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"github.com/google/uuid"

	"github.com/aws/amazon-ecs-agent/agent/logger"
	"github.com/aws/amazon-ecs-agent/agent/task"
)

const (
	fileName = "ecs-container-metadata.json"
	// mountPoint is where containers see the directory of their file, below a name that cannot be guessed.
	mountPoint = "/opt/ecs/metadata/"
	variable   = "ECS_CONTAINER_METADATA_FILE"
)

// Instance is what the files tell about the container instance. Empty members are left out.
type Instance struct {
	Cluster          string
	ARN              string
	AvailabilityZone string
	// PrivateIPv4 and PublicIPv4 are for instances with IPv4, IPv6 for those without.
	PrivateIPv4, PublicIPv4, IPv6 string
}

// Files are the metadata files of all containers. It is safe for concurrent use.
type Files struct {
	// dir holds the files, as the agent sees it; hostDir is what the daemon has to put before it.
	dir, hostDir string
	selinux      func(context.Context) (bool, error)

	mu       sync.Mutex
	instance Instance
	// confined is set once the daemon has said whether SELinux confines containers.
	confined *bool
}

// New gives the files below the agent's data directory. hostDataDir is the host directory whose sub-directory is mounted
// there (ECS_HOST_DATA_DIR). selinux asks Docker whether SELinux confines containers.
func New(dataDir, hostDataDir string, selinux func(context.Context) (bool, error)) *Files {
	return &Files{dir: filepath.Join(dataDir, "metadata"), hostDir: hostDataDir, selinux: selinux}
}

// SetInstance says what the files written from now on tell about the instance.
func (f *Files) SetInstance(in Instance) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.instance = in
}

// Mount is how a new container gets its file.
type Mount struct {
	Bind     string // for HostConfig.Binds
	Variable string // for Config.Env
}

// Create writes the file of a container that is about to be created.
func (f *Files) Create(ctx context.Context, t *task.Task, c *task.Container) (Mount, error) {
	dir, err := f.containerDir(t, c)
	if err != nil {
		return Mount{}, err
	}
	if err := f.write(dir, f.describe(t, c)); err != nil {
		return Mount{}, err
	}
	inside := mountPoint + uuid.NewString()
	// Not a clean path ("/var/lib/ecs//data/…"): it is what containers of this agent have always been created with.
	bind := f.hostDir + "/" + dir + ":" + inside
	if f.relabel(ctx) {
		bind += ":Z"
	}
	return Mount{Bind: bind, Variable: variable + "=" + inside + "/" + fileName}, nil
}

// Ready completes the file of a container; s is what Docker said about it after its start.
func (f *Files) Ready(t *task.Task, c *task.Container, s *task.ContainerState) error {
	if s.Status != task.ContainerRunning {
		return fmt.Errorf("container metadata update for container %s in task %s: container not running or invalid", c.Name, t.ARN)
	}
	dir, err := f.containerDir(t, c)
	if err != nil {
		return err
	}
	if _, err := os.Stat(dir); err != nil {
		return fmt.Errorf("container metadata update for container %s in task %s: %w", c.Name, t.ARN, err)
	}
	return f.write(dir, f.describe(t, c).complete(c, s))
}

// Has reports whether the container was created with a file. Those of a time before the files were turned on were not.
func (f *Files) Has(t *task.Task, c *task.Container) bool {
	dir, err := f.containerDir(t, c)
	if err != nil {
		return false
	}
	_, err = os.Stat(filepath.Join(dir, fileName))
	return err == nil
}

// Remove removes the file of a container and, with the last one, the directory of the task. What is gone is a success.
func (f *Files) Remove(t *task.Task, c *task.Container) error {
	dir, err := f.containerDir(t, c)
	if err != nil {
		return nil // it never had one
	}
	if err := os.RemoveAll(dir); err != nil {
		return err
	}
	// A directory that is not empty yet goes with a later container.
	_ = os.Remove(filepath.Dir(dir))
	return nil
}

// containerDir is the directory of a container's file: <data directory>/metadata/<task>/<container>, where the task is all
// that follows the first slash of its ARN.
func (f *Files) containerDir(t *task.Task, c *task.Container) (string, error) {
	_, path, found := strings.Cut(t.ARN, "/")
	elements := append(strings.Split(path, "/"), c.Name)
	for _, element := range elements {
		// Nothing of a name may lead out of the directory.
		if !found || element == "" || element == "." || element == ".." || strings.ContainsAny(element, `/\:`) {
			return "", fmt.Errorf("no directory for the metadata file of container %q of task %q: these names do not make a path", c.Name, t.ARN)
		}
	}
	return filepath.Join(append([]string{f.dir}, elements...)...), nil
}

// relabel reports whether Docker has to give the directory a label that SELinux lets the container read. The answer is
// asked for until there is one; it does not change without a restart of the daemon.
func (f *Files) relabel(ctx context.Context) bool {
	f.mu.Lock()
	confined := f.confined
	f.mu.Unlock()
	if confined != nil {
		return *confined
	}
	answer, err := f.selinux(ctx)
	if err != nil {
		logger.Warn("Cannot ask Docker about SELinux; mounting a metadata file without a label", logger.Err(err))
		return false
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.confined = &answer
	return answer
}

// write replaces the file in one step: a reader sees the old content or the new one.
func (f *Files) write(dir string, content content) (err error) {
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return err
	}
	text, err := content.encode()
	if err != nil {
		return err
	}
	file, err := os.CreateTemp(dir, "temp_metadata_file*")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, ignoreMissing(os.Remove(file.Name())))
		}
	}()
	_, err = file.Write(text)
	if err == nil {
		err = file.Chmod(0o644)
	}
	if err := errors.Join(err, file.Close()); err != nil {
		return err
	}
	return os.Rename(file.Name(), filepath.Join(dir, fileName))
}

func ignoreMissing(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

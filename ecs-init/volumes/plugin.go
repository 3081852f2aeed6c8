// Package volumes is a Docker volume driver for Amazon EFS and S3 Files. The mounting is done by the host's mount program
// with the helpers of amazon-efs-utils.
package volumes

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/aws/amazon-ecs-agent/ecs-init/log"
)

// Docker gives up on a mount after two minutes and on other requests after one. Answers come before that, so that they
// say what was wrong.
const (
	mountLimit = 110 * time.Second
	otherLimit = 50 * time.Second
)

const (
	// mountDirectory holds the mount points of volumes without the option target.
	mountDirectory = "/var/lib/ecs/volumes"

	typeEFS     = "efs"
	typeS3Files = "s3files"
)

// Options of a volume; they come from the agent.
const (
	optionType   = "type"
	optionDevice = "device"
	optionMount  = "o"
	optionTarget = "target"
)

// Plugin is the driver. Requests for one volume happen one after the other; a mount that hangs keeps only requests for
// its own volume waiting.
type Plugin struct {
	state     stateFile
	mounts    mounter
	directory string

	mu      sync.Mutex
	volumes map[string]*volume
}

// volume is a volume Docker knows. Its fields are guarded by Plugin.mu; who holds its lock may change them.
type volume struct {
	lock chan struct{}

	kind      string // option type; empty means EFS
	path      string
	options   map[string]string
	createdAt string         // RFC 3339
	uses      map[string]int // mounts by Docker's mount id
	loaded    bool           // comes from the state file: how it was left is not known for sure
}

// New loads the volumes from the state file. Volumes that the mount table shows as not mounted, as after a crash of the
// host, are not in use, whatever the file says.
func New(root string, run mountRunner) (*Plugin, error) {
	return load(stateAt(root), mounter{run: run, table: readMountTable}, filepath.Join(root, mountDirectory))
}

func load(state stateFile, mounts mounter, directory string) (*Plugin, error) {
	p := &Plugin{state: state, mounts: mounts, directory: directory}
	saved, err := state.load()
	if err != nil {
		return nil, err
	}
	p.volumes = saved
	for name, v := range saved {
		if err := checkType(v.kind); err != nil {
			return nil, fmt.Errorf("could not load plugin state: %w", err)
		}
		if mounted, known := p.mounts.mounted(v.path); known && !mounted && len(v.uses) > 0 {
			log.Infof("volume %s is not mounted any more", name)
			clear(v.uses)
		}
	}
	return p, nil
}

func checkType(kind string) error {
	switch kind {
	case "", typeEFS, typeS3Files:
		return nil
	}
	return fmt.Errorf("volume %s type not supported", kind)
}

// Create makes a volume known and makes its mount point. Nothing is mounted.
func (p *Plugin) Create(name string, options map[string]string) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if _, known := p.volumes[name]; known {
		return fmt.Errorf("volume %s already exists", name)
	}
	if err := checkType(options[optionType]); err != nil {
		return err
	}
	path := options[optionTarget]
	if path == "" {
		if name == "" || name != filepath.Base(name) || name == ".." || name == "." {
			return fmt.Errorf("cannot create mount point: invalid volume name %q", name)
		}
		path = p.ownPath(name)
		if err := os.MkdirAll(path, 0o700); err != nil {
			return fmt.Errorf("cannot create mount point: %w", err)
		}
	}
	v := newVolume()
	v.kind, v.path, v.options = options[optionType], path, maps.Clone(options)
	v.createdAt = time.Now().UTC().Format(time.RFC3339Nano)
	p.volumes[name] = v
	p.saveOrLog()
	log.Infof("created volume %s", name)
	return nil
}

func (p *Plugin) ownPath(name string) string { return filepath.Join(p.directory, name) }

// Mount mounts the volume if it is not, and counts the mount id as a user of it.
func (p *Plugin) Mount(ctx context.Context, name, id string) (mountpoint string, err error) {
	ctx, cancel := context.WithTimeout(ctx, mountLimit)
	defer cancel()
	v, release, err := p.acquire(ctx, name, id)
	if err != nil {
		return "", err
	}
	defer release()
	if err := checkType(v.kind); err != nil {
		return "", fmt.Errorf("Volume %s's driver type %s not supported: %w", name, v.kind, err) //lint:ignore ST1005 users know this text
	}
	if p.mustMount(name, v) {
		if err := p.mounts.mount(ctx, v); err != nil {
			return "", fmt.Errorf("failed to mount volume %s: %w", name, err)
		}
		log.Infof("mounted volume %s", name)
	}
	if err := p.count(v, id, +1); err != nil {
		_ = p.count(v, id, -1)
		if len(v.uses) == 0 {
			if err := p.mounts.unmount(context.WithoutCancel(ctx), v.path); err != nil {
				log.Errorf("failed to unmount volume %s: %v", name, err)
			}
		}
		return "", fmt.Errorf("mount failed due to an error while saving state: %w", err)
	}
	return v.path, nil
}

// mustMount decides by the counts, and by what the mount table says about them.
func (p *Plugin) mustMount(name string, v *volume) bool {
	mounted, known := p.mounts.mounted(v.path)
	switch {
	case !known:
		return len(v.uses) == 0
	case len(v.uses) > 0:
		if !mounted {
			log.Warnf("volume %s was unmounted by somebody else, mounting it again", name)
		}
		return !mounted
	case v.path == p.ownPath(name):
		return !mounted // nobody else mounts there: a plugin that was killed in between did
	}
	return true
}

// Unmount counts the mount id down, and unmounts the volume after the last one. An id that is not known is fine.
func (p *Plugin) Unmount(ctx context.Context, name, id string) error {
	ctx, cancel := context.WithTimeout(ctx, otherLimit)
	defer cancel()
	v, release, err := p.acquire(ctx, name, id)
	if err != nil {
		return err
	}
	defer release()
	if err := checkType(v.kind); err != nil {
		return fmt.Errorf("volume %s of type %s is unsupported: %w", name, v.kind, err)
	}
	switch count, known := v.uses[id]; {
	case !known:
		log.Infof("volume %s has no mount %s", name, id)
		return nil
	case count == 1 && len(v.uses) == 1:
		// The count goes down only when this has worked, so that another attempt is one.
		if err := p.mounts.unmount(ctx, v.path); err != nil {
			return fmt.Errorf("failed to unmount volume %s: %w", name, err)
		}
		log.Infof("unmounted volume %s", name)
	}
	if err := p.count(v, id, -1); err != nil {
		log.Errorf("could not save state: %v", err)
	}
	return nil
}

// Remove forgets the volume and removes its mount point. One that is still mounted is unmounted first.
func (p *Plugin) Remove(ctx context.Context, name string) error {
	ctx, cancel := context.WithTimeout(ctx, otherLimit)
	defer cancel()
	v, release, err := p.acquireNamed(ctx, name)
	if err != nil {
		return err
	}
	defer release()
	mounted, known := p.mounts.mounted(v.path)
	ours := len(v.uses) > 0 || v.loaded || v.path == p.ownPath(name)
	if known && mounted && ours || !known && (len(v.uses) > 0 || v.loaded) {
		if err := p.mounts.unmount(ctx, v.path); err != nil {
			return err
		}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.volumes, name)
	if err := os.Remove(v.path); err != nil {
		log.Errorf("could not remove the mount point of volume %s: %v", name, err)
	}
	p.saveOrLog()
	log.Infof("removed volume %s", name)
	return nil
}

// Info is what Docker is told about a volume.
type Info struct {
	Name       string
	Mountpoint string `json:",omitempty"`
	CreatedAt  string `json:",omitempty"`
}

// Get describes one volume.
func (p *Plugin) Get(name string) (Info, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	v, known := p.volumes[name]
	if !known {
		return Info{}, notFound(name)
	}
	return Info{Name: name, Mountpoint: v.path, CreatedAt: v.createdAt}, nil
}

// List names the volumes.
func (p *Plugin) List() []Info {
	p.mu.Lock()
	defer p.mu.Unlock()
	list := make([]Info, 0, len(p.volumes))
	for _, name := range slices.Sorted(maps.Keys(p.volumes)) {
		list = append(list, Info{Name: name})
	}
	return list
}

func notFound(name string) error { return fmt.Errorf("volume %s not found", name) }

// acquire finds a volume for a request with a mount id and waits until no other request works on it.
func (p *Plugin) acquire(ctx context.Context, name, id string) (v *volume, release func(), err error) {
	switch {
	case strings.TrimSpace(name) == "":
		return nil, nil, errors.New("no volume in the request")
	case strings.TrimSpace(id) == "":
		return nil, nil, errors.New("no mount ID in the request")
	}
	return p.acquireNamed(ctx, name)
}

func (p *Plugin) acquireNamed(ctx context.Context, name string) (v *volume, release func(), err error) {
	for {
		p.mu.Lock()
		v := p.volumes[name]
		p.mu.Unlock()
		if v == nil {
			return nil, nil, notFound(name)
		}
		select {
		case v.lock <- struct{}{}:
		case <-ctx.Done():
			return nil, nil, fmt.Errorf("volume %s is busy: an earlier request for it has not ended", name)
		}
		release := func() { <-v.lock }
		p.mu.Lock()
		same := p.volumes[name] == v
		p.mu.Unlock()
		if same {
			return v, release, nil
		}
		release() // removed, and perhaps created anew, meanwhile
	}
}

// count changes the number of mounts of one id and saves the state.
func (p *Plugin) count(v *volume, id string, by int) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	v.uses[id] += by
	if v.uses[id] <= 0 {
		delete(v.uses, id)
	}
	return p.state.save(p.volumes)
}

// saveOrLog saves the state; p.mu is held.
func (p *Plugin) saveOrLog() {
	if err := p.state.save(p.volumes); err != nil {
		log.Errorf("could not save state: %v", err)
	}
}

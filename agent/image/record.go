package image

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/aws/amazon-ecs-agent/agent/docker"
	"github.com/aws/amazon-ecs-agent/agent/logger"
)

// Record is what is known about an image that containers of tasks use or used. The JSON form is that of agent.db
// (bucket "images", key: the image id).
type Record struct {
	Image         Identity
	PulledAt      time.Time // when the record was made; later pulls do not change it
	LastUsedAt    time.Time
	PullSucceeded bool // the agent has pulled it
	// ManagedEnvKeys says which of AWS_REGION and AWS_DEFAULT_REGION the image sets, if only to nothing. Records of older
	// agents lack it (nil).
	ManagedEnvKeys map[string]bool
}

// Identity of an image on this host.
type Identity struct {
	ImageID string
	Names   []string // as task definitions spell them
	Size    int64    // bytes
}

// managedEnvKeys are the variables whose presence in an image decides what the agent adds at create.
var managedEnvKeys = []string{"AWS_REGION", "AWS_DEFAULT_REGION"}

// Store keeps records. Calls do not wait for the disk; record is encoded before SaveImage returns.
type Store interface {
	SaveImage(id string, record any) error
	DeleteImage(id string)
	LoadImages(decode func(id string, record []byte) error) error
}

// records of the images that containers of tasks use or used.
type records struct {
	store Store
	mu    sync.Mutex
	byID  map[string]*Record
}

func (r *records) load() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	err := r.store.LoadImages(func(id string, data []byte) error {
		var record Record
		if err := json.Unmarshal(data, &record); err != nil {
			return err
		}
		if record.Image.ImageID != id {
			return fmt.Errorf("it is about image %q", record.Image.ImageID)
		}
		r.byID[id] = &record
		return nil
	})
	if err != nil {
		return fmt.Errorf("restore image records: %w", err)
	}
	return nil
}

// use notes that image means info now: a container is about to use it, and maybe it has just been pulled.
func (r *records) use(image string, info docker.Image, pulled bool, now time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for id, other := range r.byID {
		if id != info.ID && slices.Contains(other.Image.Names, image) {
			other.Image.Names = without(other.Image.Names, image)
			r.save(other)
		}
	}
	record, known := r.byID[info.ID]
	if !known {
		record = &Record{Image: Identity{ImageID: info.ID, Size: info.Size}, PulledAt: now, LastUsedAt: now}
		r.byID[info.ID] = record
	}
	// On disk with the next change or cleanup cycle: which image was unused the longest may be off a little after a crash.
	record.LastUsedAt = now
	keys := envKeys(info.Env)
	if known && slices.Contains(record.Image.Names, image) && (record.PullSucceeded || !pulled) && maps.Equal(keys, record.ManagedEnvKeys) && record.ManagedEnvKeys != nil {
		return // nothing new to save
	}
	if !slices.Contains(record.Image.Names, image) {
		record.Image.Names = append(slices.Clone(record.Image.Names), image)
	}
	record.ManagedEnvKeys = keys
	record.PullSucceeded = record.PullSucceeded || pulled
	for key := range keys {
		if slices.Contains(info.Env, key+"=") {
			logger.Warn("The image sets a region variable to nothing; it stays so", logger.F("image", image), logger.F("variable", key))
		}
	}
	r.save(record)
}

func (r *records) save(record *Record) {
	if err := r.store.SaveImage(record.Image.ImageID, record); err != nil {
		logger.Error("Cannot save an image record", logger.F("imageID", record.Image.ImageID), logger.Err(err))
	}
}

func envKeys(env []string) map[string]bool {
	keys := map[string]bool{}
	for _, key := range managedEnvKeys {
		if hasEnv(env, key) {
			keys[key] = true
		}
	}
	return keys
}

func hasEnv(env []string, key string) bool {
	return slices.ContainsFunc(env, func(entry string) bool {
		name, _, _ := strings.Cut(entry, "=")
		return name == key
	})
}

func without(names []string, name string) []string {
	return slices.DeleteFunc(slices.Clone(names), func(n string) bool { return n == name })
}

// pulled reports whether the agent has pulled an image under exactly this name.
func (r *records) pulled(image string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, record := range r.byID {
		if record.PullSucceeded && slices.Contains(record.Image.Names, image) {
			return true
		}
	}
	return false
}

// env gives the recorded variables of an image, by id or else by name; false when nothing is recorded.
func (r *records) env(id, image string) (map[string]bool, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	record, ok := r.byID[id]
	if !ok {
		for _, other := range r.byID {
			if slices.Contains(other.Image.Names, image) {
				record, ok = other, true
			}
		}
	}
	if !ok || record.ManagedEnvKeys == nil {
		return nil, false
	}
	return record.ManagedEnvKeys, true // replaced, never changed
}

// all gives copies of the records.
func (r *records) all() []Record {
	r.mu.Lock()
	defer r.mu.Unlock()
	list := make([]Record, 0, len(r.byID))
	for _, record := range r.byID {
		list = append(list, *record)
	}
	return list
}

func (r *records) has(id string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	_, ok := r.byID[id]
	return ok
}

// inUse notes that containers use the images.
func (r *records) inUse(used usage, now time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, record := range r.byID {
		if used.has(record.Image.ImageID, record.Image.Names) {
			record.LastUsedAt = now
			r.save(record)
		}
	}
}

// deleted takes names from a record; the record goes with the last one.
func (r *records) deleted(id string, names ...string) (gone bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	record, ok := r.byID[id]
	if !ok {
		return true
	}
	for _, name := range names {
		record.Image.Names = without(record.Image.Names, name)
	}
	if len(record.Image.Names) > 0 {
		r.save(record)
		return false
	}
	delete(r.byID, id)
	r.store.DeleteImage(id)
	return true
}

// Package secret fetches the secrets of tasks: parameters of the SSM Parameter Store, secrets of Secrets Manager, and
// passwords of registries kept there. Values are in memory only, and only until the containers that need them have been
// created. After a restart of the agent they are fetched again.
package secret

import (
	"errors"
	"fmt"
	"sync"

	"github.com/aws/amazon-ecs-agent/agent/docker"
	"github.com/aws/amazon-ecs-agent/agent/flight"
	"github.com/aws/amazon-ecs-agent/agent/task"
)

// Vault holds the values that were fetched, by task. The zero value is ready to use; it is safe for concurrent use.
type Vault struct {
	mu    sync.RWMutex
	tasks map[string]map[string]contents // by task ARN and kind of resource
	texts map[string]map[asmRead]*string // by task ARN: what was read of Secrets Manager

	reads flight.Group[*string]
}

// contents of one resource.
type contents struct {
	values     map[reference]string
	registries map[task.ASMAuthData]docker.Auth
}

// reference is what a secret is asked for by.
type reference struct{ valueFrom, region string }

// Format makes every verb print the same words.
func (v *Vault) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte("[secrets]")) }

func (v *Vault) put(t *task.Task, kind string, c contents) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.tasks == nil {
		v.tasks = map[string]map[string]contents{}
	}
	if v.tasks[t.ARN] == nil {
		v.tasks[t.ARN] = map[string]contents{}
	}
	v.tasks[t.ARN][kind] = c
}

// drop forgets what was fetched for a task's resource.
func (v *Vault) drop(t *task.Task, r *task.Resource) {
	v.mu.Lock()
	defer v.mu.Unlock()
	delete(v.texts, t.ARN)
	delete(v.tasks[t.ARN], r.Kind)
	if len(v.tasks[t.ARN]) == 0 {
		delete(v.tasks, t.ARN)
	}
}

var (
	errNoSSM = errors.New("task secret data: unable to fetch SSM Secrets resource")
	errNoASM = errors.New("task secret data: unable to fetch ASM Secrets resource")
)

// Secret gives the value of a secret of a task.
func (v *Vault) Secret(t *task.Task, s task.Secret) (string, error) {
	kind, missing := task.ResourceSSMSecrets, errNoSSM
	if s.Provider == task.ProviderASM {
		kind, missing = task.ResourceASMSecrets, errNoASM
	}
	if !t.Resources.Has(kind) {
		return "", missing
	}
	v.mu.RLock()
	defer v.mu.RUnlock()
	found, ok := v.tasks[t.ARN][kind].values[reference{s.ValueFrom, s.Region}]
	if !ok {
		return "", fmt.Errorf("task secret data: no value was fetched for secret %s", s.Name)
	}
	return found, nil
}

// RegistryAuth gives the user and password for the container's registry; false while there is none.
func (v *Vault) RegistryAuth(t *task.Task, c *task.Container) (docker.Auth, bool) {
	if c.RegistryAuth == nil || c.RegistryAuth.ASM == nil {
		return docker.Auth{}, false
	}
	v.mu.RLock()
	defer v.mu.RUnlock()
	auth, found := v.tasks[t.ARN][task.ResourceRegistryAuth].registries[*c.RegistryAuth.ASM]
	return auth, found
}

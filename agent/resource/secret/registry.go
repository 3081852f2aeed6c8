package secret

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"github.com/aws/amazon-ecs-agent/agent/awsapi"
	"github.com/aws/amazon-ecs-agent/agent/docker"
	"github.com/aws/amazon-ecs-agent/agent/resource"
	"github.com/aws/amazon-ecs-agent/agent/task"
)

// registryAuth are the user names and passwords of registries that a task pulls from.
type registryAuth struct{ craft }

// registryRecord is the object of the resource in agent.db.
type registryRecord struct {
	head
	Secrets []task.ASMAuthData `json:"asmResources"`
}

// Texts for users. None shows the secret.
var (
	errNoRoleRegistry = errors.New("asm resource: unable to find execution role credentials")
	errNoAuthText     = errors.New("asm fetching authorization data: empty response")
	errEmptyAuth      = errors.New("asm fetching authorization data: empty secrets value")
	errAuthSchema     = errors.New("asm fetching authorization data: unable to unmarshal secret value, invalid schema")
	errNoUser         = errors.New("asm fetching username: AuthorizationData is malformed, empty field")
	errNoPassword     = errors.New("asm fetching password: AuthorizationData is malformed, empty field")
)

// Plan asks for one resource for all registries of the task.
func (k *registryAuth) Plan(t *task.Task) ([]task.Resource, error) {
	var secrets []task.ASMAuthData
	for _, c := range t.Containers {
		if a := c.RegistryAuth; a != nil && a.Type == task.RegistryASM && a.ASM != nil && !slices.Contains(secrets, *a.ASM) {
			secrets = append(secrets, *a.ASM)
		}
	}
	if len(secrets) == 0 {
		return nil, nil
	}
	return planned(task.ResourceRegistryAuth, registryRecord{headOf(t), secrets})
}

// Create fetches the secrets, one after the other.
func (k *registryAuth) Create(ctx context.Context, t *task.Task, r *task.Resource) error {
	var record registryRecord
	if err := recordOf(r, &record); err != nil {
		return err
	}
	keys, held := resource.ExecutionKeys(k.roles, t)
	if !held {
		return errNoRoleRegistry
	}
	auths := map[task.ASMAuthData]docker.Auth{}
	for _, s := range record.Secrets {
		text, err := k.text(ctx, t, keys, asmRead{s.Region, awsapi.SecretID{ID: s.CredentialsParameter}})
		switch {
		case awsapi.NoClient(err):
			return fmt.Errorf("unable to create ASM client: %w", err)
		case err != nil:
			return fmt.Errorf("asm fetching secret from the service for %s: %w", s.CredentialsParameter, err)
		case text == nil:
			return errNoAuthText
		}
		if auths[s], err = parseAuth(*text); err != nil {
			return err
		}
	}
	k.vault.put(t, task.ResourceRegistryAuth, contents{registries: auths})
	return nil
}

// parseAuth reads {"username":…,"password":…}, names in any case.
func parseAuth(text string) (docker.Auth, error) {
	if text == "" {
		return docker.Auth{}, errEmptyAuth
	}
	var data struct{ Username, Password string }
	switch {
	case json.Unmarshal([]byte(text), &data) != nil:
		return docker.Auth{}, errAuthSchema
	case data.Username == "":
		return docker.Auth{}, errNoUser
	case data.Password == "":
		return docker.Auth{}, errNoPassword
	}
	return docker.Auth{Username: data.Username, Password: data.Password}, nil
}

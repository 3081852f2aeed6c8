package secret

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/aws/amazon-ecs-agent/agent/awsapi"
	"github.com/aws/amazon-ecs-agent/agent/awsclient"
	"github.com/aws/amazon-ecs-agent/agent/credentials"
	"github.com/aws/amazon-ecs-agent/agent/resource"
	"github.com/aws/amazon-ecs-agent/agent/task"
)

// Services are the calls that fetch secrets.
type Services interface {
	Parameters(ctx context.Context, region string, keys awsclient.CredentialsProvider, names []string) (found []awsapi.Parameter, invalid []string, err error)
	// Secret is nil for a secret that is no text.
	Secret(ctx context.Context, region string, keys awsclient.CredentialsProvider, id awsapi.SecretID) (*string, error)
}

// Kinds gives the crafts of the three kinds of secrets. What they fetch goes to the vault.
func Kinds(services Services, roles *credentials.Store, vault *Vault) resource.Kinds {
	base := craft{services: services, roles: roles, vault: vault}
	return resource.Kinds{
		{Name: task.ResourceRegistryAuth, Craft: &registryAuth{base}},
		{Name: task.ResourceSSMSecrets, Craft: &ssmSecrets{base, &reader{services: services}}},
		{Name: task.ResourceASMSecrets, Craft: &asmSecrets{base}},
	}
}

// craft is what the three have in common.
type craft struct {
	services Services
	roles    *credentials.Store
	vault    *Vault
}

// Release drops the values: all containers that need them have been created.
func (k craft) Release(_ context.Context, t *task.Task, r *task.Resource) { k.vault.drop(t, r) }

// Remove drops the values.
func (k craft) Remove(_ context.Context, t *task.Task, r *task.Resource) error {
	k.vault.drop(t, r)
	return nil
}

// head are the members that all three kinds have in agent.db.
type head struct {
	TaskARN                string `json:"taskARN"`
	ExecutionCredentialsID string `json:"executionCredentialsID"`
}

func headOf(t *task.Task) head { return head{t.ARN, t.ExecutionCredentialsID} }

// planned is the one resource of a kind.
func planned(kind string, record any) ([]task.Resource, error) {
	spec, err := json.Marshal(record)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", kind, err)
	}
	return []task.Resource{{Kind: kind, Name: kind, Spec: spec}}, nil
}

func recordOf(r *task.Resource, record any) error {
	if err := json.Unmarshal(r.Spec, record); err != nil {
		return fmt.Errorf("%s resource: unreadable record: %w", r.Kind, err)
	}
	return nil
}

// secretsOf lists the secrets of a provider over all containers of a task, in order.
func secretsOf(t *task.Task, provider string) []task.Secret {
	var all []task.Secret
	for _, c := range t.Containers {
		for _, s := range c.Secrets {
			if s.Provider == provider {
				all = append(all, s)
			}
		}
	}
	return all
}

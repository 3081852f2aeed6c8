package secret

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/aws/amazon-ecs-agent/agent/awsapi"
	"github.com/aws/amazon-ecs-agent/agent/resource"
	"github.com/aws/amazon-ecs-agent/agent/task"
)

// ssmSecrets are the parameters of a task.
type ssmSecrets struct {
	craft
	parameters *reader
}

// ssmRecord is the object of the resource in agent.db.
type ssmRecord struct {
	head
	Secrets map[string][]task.Secret `json:"secretResources"` // by region
}

var errNoRoleSSM = errors.New("ssm secret resource: unable to find execution role credentials")

// Plan asks for one resource for all parameters of the task, which calls for other tasks may take along.
func (k *ssmSecrets) Plan(t *task.Task) ([]task.Resource, error) {
	secrets := secretsOf(t, task.ProviderSSM)
	if len(secrets) == 0 {
		return nil, nil
	}
	record := ssmRecord{headOf(t), map[string][]task.Secret{}}
	for _, s := range secrets {
		record.Secrets[s.Region] = append(record.Secrets[s.Region], s)
	}
	for region, secrets := range record.Secrets {
		k.parameters.expect(k.want(t, region, secrets))
	}
	return planned(task.ResourceSSMSecrets, record)
}

// Create fetches the parameters, all regions side by side.
func (k *ssmSecrets) Create(ctx context.Context, t *task.Task, r *task.Resource) error {
	var record ssmRecord
	if err := recordOf(r, &record); err != nil {
		return err
	}
	keys, held := resource.ExecutionKeys(k.roles, t)
	if !held {
		return errNoRoleSSM
	}
	var reads []*read
	for _, region := range slices.Sorted(maps.Keys(record.Secrets)) {
		r := k.want(t, region, record.Secrets[region])
		r.keys = keys
		reads = append(reads, r)
	}
	var all sync.WaitGroup
	for _, r := range reads {
		all.Go(func() { k.parameters.do(ctx, r) })
	}
	all.Wait()
	values := map[reference]string{}
	var failures failureTexts
	for _, r := range reads {
		r.tell(&failures)
		for name, text := range r.values {
			values[reference{name, r.source.region}] = text
		}
	}
	if err := failures.err(); err != nil {
		return err
	}
	k.vault.put(t, task.ResourceSSMSecrets, contents{values: values})
	return nil
}

// want is what a task wants of a region.
func (k *ssmSecrets) want(t *task.Task, region string, secrets []task.Secret) *read {
	return &read{task: t.ARN, source: source{k.role(t), region}, names: distinctNames(secrets), received: cmp.Or(t.Engine.ReceivedAt, time.Now())}
}

// role is what tasks of one role have in common.
func (k *ssmSecrets) role(t *task.Task) string {
	held, _ := k.roles.Get(t.ExecutionCredentialsID)
	if held == nil || held.RoleARN == "" {
		return t.ExecutionCredentialsID
	}
	return held.RoleARN
}

func distinctNames(secrets []task.Secret) []string {
	var names []string
	for _, s := range secrets {
		if !slices.Contains(names, s.ValueFrom) {
			names = append(names, s.ValueFrom)
		}
	}
	return names
}

// tell adds the reasons for users, invalid names in the order of the task.
func (w *read) tell(failures *failureTexts) {
	fetching := "fetching secret data from SSM Parameter Store in " + w.source.region
	if len(w.invalid) > 0 {
		slices.SortStableFunc(w.invalid, func(a, b string) int { return slices.Index(w.names, a) - slices.Index(w.names, b) })
		failures.add(fmt.Errorf("%s: invalid parameters: %s", fetching, strings.Join(w.invalid, ",")))
	}
	for _, err := range w.errs {
		if awsapi.NoClient(err) {
			failures.add(fmt.Errorf("unable to create SSM client in %s: %w", w.source.region, err))
		} else {
			failures.add(fmt.Errorf("%s: %w", fetching, err))
		}
	}
}

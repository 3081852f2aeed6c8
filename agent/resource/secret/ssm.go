package secret

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/aws/amazon-ecs-agent/agent/awsapi"
	"github.com/aws/amazon-ecs-agent/agent/awsclient"
	"github.com/aws/amazon-ecs-agent/agent/resource"
	"github.com/aws/amazon-ecs-agent/agent/task"
)

// ssmSecrets are the parameters of a task.
type ssmSecrets struct{ craft }

// ssmRecord is the object of the resource in agent.db.
type ssmRecord struct {
	head
	Secrets map[string][]task.Secret `json:"secretResources"` // by region
}

var errNoRoleSSM = errors.New("ssm secret resource: unable to find execution role credentials")

// Plan asks for one resource for all parameters of the task.
func (k *ssmSecrets) Plan(t *task.Task) ([]task.Resource, error) {
	secrets := secretsOf(t, task.ProviderSSM)
	if len(secrets) == 0 {
		return nil, nil
	}
	record := ssmRecord{headOf(t), map[string][]task.Secret{}}
	for _, s := range secrets {
		record.Secrets[s.Region] = append(record.Secrets[s.Region], s)
	}
	return planned(task.ResourceSSMSecrets, record)
}

// Create fetches the parameters: each name once, in batches, all regions and batches side by side.
func (k *ssmSecrets) Create(ctx context.Context, t *task.Task, r *task.Resource) error {
	var record ssmRecord
	if err := read(r, &record); err != nil {
		return err
	}
	keys, held := resource.ExecutionKeys(k.roles, t)
	if !held {
		return errNoRoleSSM
	}
	values := map[reference]string{}
	fetches := make([]regionFetch, 0, len(record.Secrets))
	for region, secrets := range record.Secrets {
		fetches = append(fetches, regionFetch{region: region, names: distinctNames(secrets)})
	}
	slices.SortFunc(fetches, func(a, b regionFetch) int { return strings.Compare(a.region, b.region) })
	var all sync.WaitGroup
	for i := range fetches {
		all.Go(func() { fetches[i].run(ctx, k.services, keys) })
	}
	all.Wait()
	var failures failureTexts
	for i := range fetches {
		f := &fetches[i]
		f.tell(&failures)
		for name, text := range f.values {
			values[reference{name, f.region}] = text
		}
	}
	if err := failures.err(); err != nil {
		return err
	}
	k.vault.put(t, task.ResourceSSMSecrets, contents{values: values})
	return nil
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

// regionFetch reads the parameters of one region.
type regionFetch struct {
	region string
	names  []string

	values  map[string]string
	invalid []string
	errs    []error
}

func (f *regionFetch) run(ctx context.Context, services Services, keys awsclient.CredentialsProvider) {
	f.values = map[string]string{}
	var batches sync.WaitGroup
	var mu sync.Mutex
	for batch := range slices.Chunk(f.names, awsapi.MaxParameters) {
		batches.Go(func() {
			found, invalid, err := services.Parameters(ctx, f.region, keys, batch)
			mu.Lock()
			defer mu.Unlock()
			if err != nil {
				f.errs = append(f.errs, err)
				return
			}
			f.invalid = append(f.invalid, invalid...)
			for _, name := range batch {
				if i := slices.IndexFunc(found, func(p awsapi.Parameter) bool { return answers(p, name) }); i >= 0 {
					f.values[name] = found[i].Value
				} else if !slices.Contains(invalid, name) {
					f.invalid = append(f.invalid, name) // neither found nor refused: there is no value either way
				}
			}
		})
	}
	batches.Wait()
}

// answers reports whether p is what name asked for: by name or by ARN, with or without a version or label.
func answers(p awsapi.Parameter, name string) bool {
	return slices.Contains([]string{p.Name, p.ARN, p.Name + p.Selector, p.ARN + p.Selector}, name)
}

// tell adds the reasons for users, invalid names in the order of the task.
func (f *regionFetch) tell(failures *failureTexts) {
	fetching := "fetching secret data from SSM Parameter Store in " + f.region
	if len(f.invalid) > 0 {
		slices.SortStableFunc(f.invalid, func(a, b string) int { return slices.Index(f.names, a) - slices.Index(f.names, b) })
		failures.add(fmt.Errorf("%s: invalid parameters: %s", fetching, strings.Join(f.invalid, ",")))
	}
	for _, err := range f.errs {
		if awsapi.NoClient(err) {
			failures.add(fmt.Errorf("unable to create SSM client in %s: %w", f.region, err))
		} else {
			failures.add(fmt.Errorf("%s: %w", fetching, err))
		}
	}
}

package secret

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/aws/amazon-ecs-agent/agent/awsapi"
	"github.com/aws/amazon-ecs-agent/agent/awsclient"
	"github.com/aws/amazon-ecs-agent/agent/credentials"
	"github.com/aws/amazon-ecs-agent/agent/docker"
	"github.com/aws/amazon-ecs-agent/agent/task"
)

const (
	arn      = "arn:aws:ecs:us-west-2:123456789012:task/default/t1"
	secretDB = "arn:aws:secretsmanager:us-west-2:123456789012:secret:prod/db-AbCdEf"
)

// fakeServices knows parameters by region and name, and secrets by id. Errors come by region or id.
type fakeServices struct {
	mu         sync.Mutex
	parameters map[string]map[string]awsapi.Parameter
	secrets    map[awsapi.SecretID]string
	errs       map[string]error

	batches [][]string
	reads   []string // region and id
	signed  []string
}

func (f *fakeServices) sign(keys awsclient.CredentialsProvider) {
	c, _ := keys.Retrieve(context.Background())
	f.signed = append(f.signed, c.AccessKeyID)
}

func (f *fakeServices) Parameters(_ context.Context, region string, keys awsclient.CredentialsProvider, names []string) (found []awsapi.Parameter, invalid []string, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.sign(keys)
	f.batches = append(f.batches, names)
	if err := f.errs[region]; err != nil {
		return nil, nil, err
	}
	for _, name := range names {
		if p, known := f.parameters[region][name]; known {
			if p.Name != "" {
				found = append(found, p)
			}
		} else {
			invalid = append(invalid, name)
		}
	}
	return found, invalid, nil
}

func (f *fakeServices) Secret(_ context.Context, region string, keys awsclient.CredentialsProvider, id awsapi.SecretID) (*string, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.sign(keys)
	f.reads = append(f.reads, strings.TrimRight(region+" "+id.ID+" "+id.VersionStage+" "+id.VersionID, " "))
	if err := f.errs[id.ID]; err != nil {
		return nil, err
	}
	if text, known := f.secrets[id]; known {
		return &text, nil
	}
	return nil, nil
}

type bench struct {
	services *fakeServices
	roles    *credentials.Store
	vault    *Vault
}

func newBench(f *fakeServices) *bench {
	b := &bench{services: f, roles: &credentials.Store{}, vault: &Vault{}}
	b.roles.Set(credentials.Credentials{ID: "exec", AccessKeyID: "AKEXEC", SecretAccessKey: "s"})
	return b
}

// create plans the task's resources and creates them all.
func (b *bench) create(t *testing.T, tk *task.Task) error {
	t.Helper()
	kinds := Kinds(b.services, b.roles, b.vault)
	resources, err := kinds.Plan(tk)
	if err != nil {
		t.Fatal(err)
	}
	tk.Resources = resources
	for i := range resources {
		if err := kinds.Create(t.Context(), tk, &resources[i]); err != nil {
			return err
		}
	}
	return nil
}

func withSecrets(secrets ...task.Secret) *task.Task {
	for i := range secrets {
		if secrets[i].Region == "" {
			secrets[i].Region = "us-west-2"
		}
		if secrets[i].Name == "" {
			secrets[i].Name = fmt.Sprintf("S%d", i)
		}
	}
	return &task.Task{ARN: arn, ExecutionCredentialsID: "exec", Containers: []*task.Container{{Name: "web", Secrets: secrets}}}
}

func ssmSecret(valueFrom string) task.Secret {
	return task.Secret{ValueFrom: valueFrom, Provider: task.ProviderSSM}
}
func asmSecret(valueFrom string) task.Secret {
	return task.Secret{ValueFrom: valueFrom, Provider: task.ProviderASM}
}

func check(t *testing.T, what string, got, want any) {
	t.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", what, diff)
	}
}

func wantError(t *testing.T, err error, want string) {
	t.Helper()
	if err == nil || err.Error() != want {
		t.Errorf("got  %v\nwant %s", err, want)
	}
}

func (b *bench) wantValues(t *testing.T, tk *task.Task, want ...string) {
	t.Helper()
	for i, s := range tk.Containers[0].Secrets {
		if got, err := b.vault.Secret(tk, s); err != nil || got != want[i] {
			t.Errorf("%s: %q, %v; want %q", s.ValueFrom, got, err, want[i])
		}
	}
}

func TestParametersComeInBatchesOfDistinctNames(t *testing.T) {
	f := &fakeServices{parameters: map[string]map[string]awsapi.Parameter{"us-west-2": {}}}
	var secrets []task.Secret
	for i := range 23 {
		name := fmt.Sprintf("/p/%02d", i)
		f.parameters["us-west-2"][name] = awsapi.Parameter{Name: name, Value: "v" + name}
		secrets = append(secrets, ssmSecret(name), ssmSecret(name))
	}
	b := newBench(f)
	if err := b.create(t, withSecrets(secrets...)); err != nil {
		t.Fatal(err)
	}
	slices.SortFunc(f.batches, func(a, b []string) int { return strings.Compare(a[0], b[0]) })
	var sizes []int
	for _, batch := range f.batches {
		sizes = append(sizes, len(batch))
	}
	check(t, "batches", sizes, []int{10, 10, 3})
	check(t, "first of each", []string{f.batches[0][0], f.batches[1][0], f.batches[2][0]}, []string{"/p/00", "/p/10", "/p/20"})
	check(t, "signed with", slices.Compact(f.signed), []string{"AKEXEC"})
}

func TestParametersAreMatchedByNameOrARN(t *testing.T) {
	const arnOne = "arn:aws:ssm:us-west-2:123456789012:parameter/one"
	one := awsapi.Parameter{Name: "/one", ARN: arnOne, Value: "1"}
	old := awsapi.Parameter{Name: "/one", ARN: arnOne, Value: "old", Selector: ":3"}
	b := newBench(&fakeServices{parameters: map[string]map[string]awsapi.Parameter{
		"us-west-2": {"/one": one, arnOne: one, "/one:3": old},
		"eu-west-1": {"/one": {Name: "/one", Value: "european"}},
	}})
	european := ssmSecret("/one")
	european.Region = "eu-west-1"
	tk := withSecrets(ssmSecret("/one"), ssmSecret(arnOne), european)
	if err := b.create(t, tk); err != nil {
		t.Fatal(err)
	}
	b.wantValues(t, tk, "1", "1", "european")

	tk = withSecrets(ssmSecret("/one:3"))
	if err := b.create(t, tk); err != nil {
		t.Fatal(err)
	}
	b.wantValues(t, tk, "old")
}

func TestParameterFailures(t *testing.T) {
	throttled := errors.New("operation error SSM: GetParameters, ThrottlingException: Rate exceeded")
	european := ssmSecret("/e")
	european.Region = "eu-west-1"
	cases := []struct {
		name     string
		services *fakeServices
		secrets  []task.Secret
		want     string
	}{
		{"names that do not exist", &fakeServices{}, []task.Secret{ssmSecret("/b"), ssmSecret("/a")},
			"fetching secret data from SSM Parameter Store in us-west-2: invalid parameters: /b,/a"},
		{"a name that the answer passes over", &fakeServices{parameters: map[string]map[string]awsapi.Parameter{"us-west-2": {"/a": {}}}}, []task.Secret{ssmSecret("/a")},
			"fetching secret data from SSM Parameter Store in us-west-2: invalid parameters: /a"},
		{"a failed call", &fakeServices{errs: map[string]error{"us-west-2": throttled}}, []task.Secret{ssmSecret("/a")},
			"fetching secret data from SSM Parameter Store in us-west-2: operation error SSM: GetParameters, ThrottlingException: Rate exceeded"},
		{"several regions", &fakeServices{errs: map[string]error{"us-west-2": throttled}}, []task.Secret{ssmSecret("/a"), european},
			"fetching secret data from SSM Parameter Store in eu-west-1: invalid parameters: /e;fetching secret data from SSM Parameter Store in us-west-2: operation error SSM: GetParameters, ThrottlingException: Rate exceeded"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			b := newBench(c.services)
			tk := withSecrets(c.secrets...)
			wantError(t, b.create(t, tk), c.want)
			if _, err := b.vault.Secret(tk, c.secrets[0]); err == nil {
				t.Error("a value is there all the same")
			}
		})
	}
}

func TestWithoutARegionThereIsNoClient(t *testing.T) {
	b := newBench(nil)
	real := &awsapi.Calls{}
	kinds := Kinds(real, b.roles, b.vault)
	registry := &task.Task{ARN: arn, ExecutionCredentialsID: "exec", Containers: []*task.Container{{RegistryAuth: &task.RegistryAuth{Type: "asm", ASM: &task.ASMAuthData{CredentialsParameter: "x"}}}}}
	for want, tk := range map[string]*task.Task{
		"unable to create SSM client in : no AWS region is configured; set AWS_DEFAULT_REGION": {ARN: arn, ExecutionCredentialsID: "exec", Containers: []*task.Container{{Secrets: []task.Secret{ssmSecret("/a")}}}},
		"unable to create ASM client: no AWS region is configured; set AWS_DEFAULT_REGION":     registry,
	} {
		resources, err := kinds.Plan(tk)
		if err != nil {
			t.Fatal(err)
		}
		wantError(t, kinds.Create(t.Context(), tk, &resources[0]), want)
	}
}

func TestWithoutExecutionRoleNothingIsFetched(t *testing.T) {
	registry := task.Container{RegistryAuth: &task.RegistryAuth{Type: "asm", ASM: &task.ASMAuthData{CredentialsParameter: "x", Region: "r"}}}
	for want, c := range map[string]task.Container{
		"ssm secret resource: unable to find execution role credentials": {Secrets: []task.Secret{ssmSecret("/a")}},
		"ASM secret resource: unable to find execution role credentials": {Secrets: []task.Secret{asmSecret(secretDB)}},
		"asm resource: unable to find execution role credentials":        registry,
	} {
		for _, id := range []string{"", "other", "empty"} {
			b := newBench(&fakeServices{})
			b.roles.Set(credentials.Credentials{ID: "empty"})
			wantError(t, b.create(t, &task.Task{ARN: arn, ExecutionCredentialsID: id, Containers: []*task.Container{&c}}), want)
			if len(b.services.signed) > 0 {
				t.Error("calls were made")
			}
		}
	}
}

func TestParseValueFrom(t *testing.T) {
	const badARN = "an invalid ARN format for the AWS Secrets Manager secret was specified. Specify a valid ARN and try again."
	cases := []struct {
		valueFrom string
		id        awsapi.SecretID
		jsonKey   string
		err       string
	}{
		{secretDB, awsapi.SecretID{ID: secretDB}, "", ""},
		{secretDB + ":user::", awsapi.SecretID{ID: secretDB}, "user", ""},
		{secretDB + "::AWSPREVIOUS:", awsapi.SecretID{ID: secretDB, VersionStage: "AWSPREVIOUS"}, "", ""},
		{secretDB + ":::9d4cb84b", awsapi.SecretID{ID: secretDB, VersionID: "9d4cb84b"}, "", ""},
		{secretDB + ":user:AWSCURRENT:v1", awsapi.SecretID{ID: secretDB, VersionStage: "AWSCURRENT", VersionID: "v1"}, "user", ""},
		{secretDB + ":user", awsapi.SecretID{}, "", badARN},
		{secretDB + ":a:b:c:d", awsapi.SecretID{}, "", badARN},
		{"db", awsapi.SecretID{}, "", "arn: invalid prefix"},
		{"arn:aws:secretsmanager:x", awsapi.SecretID{}, "", "arn: not enough sections"},
	}
	for _, c := range cases {
		id, jsonKey, err := parseValueFrom(c.valueFrom)
		text := ""
		if err != nil {
			text = err.Error()
		}
		if id != c.id || jsonKey != c.jsonKey || text != c.err {
			t.Errorf("%s: %+v %q %q", c.valueFrom, id, jsonKey, text)
		}
	}
}

func TestMembersOfJSONSecrets(t *testing.T) {
	cases := []struct{ text, key, want, err string }{
		{`{"user":"bob"}`, "user", "bob", ""},
		{`{"user":"bob"}`, "pw", "", "retrieved secret from Secrets Manager did not contain json key pw"},
		{`{"n":5}`, "n", "5", ""},
		{`{"n":12345678}`, "n", "1.2345678e+07", ""},
		{`{"n":1.50e3}`, "n", "1500", ""},
		{`{"b":true}`, "b", "true", ""},
		{`{"x":null}`, "x", "<nil>", ""},
		{`{"o":{"k":"v"}}`, "o", "map[k:v]", ""},
		{`{"o":["a",1]}`, "o", "[a 1]", ""},
		{"plain", "user", "", "invalid character 'p' looking for beginning of value"},
		{`{"a":1} x`, "a", "", "invalid character 'x' after top-level value"},
		{`"hunter2"`, "a", "", "json: cannot unmarshal string into Go value of type map[string]interface {}"},
		{`123456`, "a", "", "json: cannot unmarshal number into Go value of type map[string]interface {}"},
	}
	for _, c := range cases {
		got, err := member(c.text, c.key)
		text := ""
		if err != nil {
			text = err.Error()
		}
		if got != c.want || text != c.err {
			t.Errorf("%s: %q, %q", c.text, got, text)
		}
	}
}

// Several members of one secret are one read.
func TestSecretsAreReadOnce(t *testing.T) {
	b := newBench(&fakeServices{secrets: map[awsapi.SecretID]string{
		{ID: secretDB}: `{"user":"bob","pw":"hunter2"}`,
		{ID: secretDB, VersionStage: "AWSPREVIOUS"}: `{"user":"alice"}`,
	}})
	tk := withSecrets(asmSecret(secretDB+":user::"), asmSecret(secretDB+":pw::"), asmSecret(secretDB+":user:AWSPREVIOUS:"), asmSecret(secretDB))
	if err := b.create(t, tk); err != nil {
		t.Fatal(err)
	}
	b.wantValues(t, tk, "bob", "hunter2", "alice", `{"user":"bob","pw":"hunter2"}`)
	slices.Sort(b.services.reads)
	check(t, "reads", b.services.reads, []string{"us-west-2 " + secretDB, "us-west-2 " + secretDB + " AWSPREVIOUS"})
}

func TestSecretFailures(t *testing.T) {
	notFound := fmt.Errorf("operation error Secrets Manager: GetSecretValue, %w", &awsclient.APIError{Operation: "GetSecretValue", Code: "ResourceNotFoundException", Message: "can't find"})
	internal := errors.New("InternalServiceError: uhoh")
	const other = "arn:aws:secretsmanager:us-west-2:123456789012:secret:other-AbCdEf"
	cases := []struct {
		name    string
		errs    map[string]error
		secrets []task.Secret
		want    string
	}{
		{"does not exist", map[string]error{secretDB: notFound}, []task.Secret{asmSecret(secretDB + ":user::")},
			"ResourceNotFoundException: The task can't retrieve the secret with ARN '" + secretDB + "' from AWS Secrets Manager. Check whether the secret exists in the specified Region: " + notFound.Error()},
		{"failed", map[string]error{secretDB: internal}, []task.Secret{asmSecret(secretDB)}, "secret " + secretDB + ": InternalServiceError: uhoh: InternalServiceError: uhoh"},
		{"binary", nil, []task.Secret{asmSecret(secretDB)}, "secret " + secretDB + ": the secret has no text; binary secrets are not supported"},
		{"binary, a member of it", nil, []task.Secret{asmSecret(secretDB + ":a::")}, "secret " + secretDB + ": the secret has no text; binary secrets are not supported"},
		{"not an ARN", nil, []task.Secret{asmSecret("db")}, "trying to retrieve secret with value db resulted in error: arn: invalid prefix"},
		{"several", map[string]error{secretDB: internal, other: internal}, []task.Secret{asmSecret(other), asmSecret(secretDB)},
			"secret " + other + ": InternalServiceError: uhoh: InternalServiceError: uhoh;secret " + secretDB + ": InternalServiceError: uhoh: InternalServiceError: uhoh"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			wantError(t, newBench(&fakeServices{errs: c.errs}).create(t, withSecrets(c.secrets...)), c.want)
		})
	}
}

func TestRegistryPasswords(t *testing.T) {
	cases := []struct{ text, user, password, err string }{
		{`{"username":"u","password":"p"}`, "u", "p", ""},
		{`{"Username":"u","PASSWORD":"p","more":1}`, "u", "p", ""},
		{"", "", "", "asm fetching authorization data: empty secrets value"},
		{"u:p", "", "", "asm fetching authorization data: unable to unmarshal secret value, invalid schema"},
		{`{"password":"p"}`, "", "", "asm fetching username: AuthorizationData is malformed, empty field"},
		{`{"username":"u"}`, "", "", "asm fetching password: AuthorizationData is malformed, empty field"},
	}
	for _, c := range cases {
		b := newBench(&fakeServices{secrets: map[awsapi.SecretID]string{{ID: secretDB}: c.text}})
		container := &task.Container{RegistryAuth: &task.RegistryAuth{Type: "asm", ASM: &task.ASMAuthData{CredentialsParameter: secretDB, Region: "us-west-2"}}}
		tk := &task.Task{ARN: arn, ExecutionCredentialsID: "exec", Containers: []*task.Container{container, container}}
		err := b.create(t, tk)
		auth, found := b.vault.RegistryAuth(tk, container)
		if c.err != "" {
			wantError(t, err, c.err)
			if found {
				t.Error("credentials all the same")
			}
			continue
		}
		if err != nil || !found || auth != (docker.Auth{Username: c.user, Password: c.password}) {
			t.Errorf("%s: %v %v %v", c.text, auth == docker.Auth{}, found, err)
		}
		check(t, "reads", b.services.reads, []string{"us-west-2 " + secretDB})
	}
}

func TestRegistryPasswordFailures(t *testing.T) {
	container := &task.Container{RegistryAuth: &task.RegistryAuth{Type: "asm", ASM: &task.ASMAuthData{CredentialsParameter: "reg", Region: "us-west-2"}}}
	for want, services := range map[string]*fakeServices{
		"asm fetching authorization data: empty response":             {},
		"asm fetching secret from the service for reg: access denied": {errs: map[string]error{"reg": errors.New("access denied")}},
	} {
		wantError(t, newBench(services).create(t, &task.Task{ARN: arn, ExecutionCredentialsID: "exec", Containers: []*task.Container{container}}), want)
	}
	other := &task.Container{RegistryAuth: &task.RegistryAuth{Type: "ecr"}}
	b := newBench(&fakeServices{})
	if err := b.create(t, &task.Task{ARN: arn, Containers: []*task.Container{other}}); err != nil {
		t.Error(err)
	}
	if _, found := b.vault.RegistryAuth(&task.Task{ARN: arn}, other); found {
		t.Error("credentials for another type of registry")
	}
}

// The records are those of agent.db: what other agents read there, and never a value.
func TestRecords(t *testing.T) {
	tk := withSecrets(
		task.Secret{Name: "A", ValueFrom: "/a", Provider: "ssm", Type: "ENVIRONMENT_VARIABLE"},
		task.Secret{Name: "B", ValueFrom: secretDB + ":user::", Provider: "asm", Type: "ENVIRONMENT_VARIABLE"})
	tk.Containers[0].RegistryAuth = &task.RegistryAuth{Type: "asm", ASM: &task.ASMAuthData{CredentialsParameter: "reg", Region: "us-west-2"}}
	b := newBench(&fakeServices{
		parameters: map[string]map[string]awsapi.Parameter{"us-west-2": {"/a": {Name: "/a", Value: "CANARY"}}},
		secrets:    map[awsapi.SecretID]string{{ID: secretDB}: `{"user":"CANARY"}`, {ID: "reg"}: `{"username":"CANARY","password":"CANARY"}`},
	})
	if err := b.create(t, tk); err != nil {
		t.Fatal(err)
	}
	got, err := json.Marshal(tk.Resources)
	if err != nil {
		t.Fatal(err)
	}
	const status = `"createdAt":"0001-01-01T00:00:00Z","desiredStatus":"NONE","knownStatus":"NONE"`
	const ids = `"taskARN":"` + arn + `","executionCredentialsID":"exec",` + status
	want := `{
	 "asm-auth":[{` + ids + `,"asmResources":[{"credentialsParameter":"reg","region":"us-west-2"}]}],
	 "ssmsecret":[{` + ids + `,"secretResources":{"us-west-2":[{"name":"A","valueFrom":"/a","region":"us-west-2","containerPath":"","type":"ENVIRONMENT_VARIABLE","provider":"ssm","target":""}]}}],
	 "asmsecret":[{` + ids + `,"secretResources":{"` + secretDB + `:user::_us-west-2":{"name":"B","valueFrom":"` + secretDB + `:user::","region":"us-west-2","containerPath":"","type":"ENVIRONMENT_VARIABLE","provider":"asm","target":""}}}]}`
	check(t, "records", normal(t, got), normal(t, []byte(want)))

	var back task.Resources
	if err := json.Unmarshal(got, &back); err != nil {
		t.Fatal(err)
	}
	check(t, "names", []string{back[0].Name, back[1].Name, back[2].Name}, []string{"asm-auth", "asmsecret", "ssmsecret"})
	if all := fmt.Sprintf("%v %+v %#v %s", b.vault, b.vault, b.vault, got); strings.Contains(all, "CANARY") {
		t.Errorf("a secret shows: %s", all)
	}
}

func normal(t *testing.T, text []byte) any {
	t.Helper()
	var v any
	if err := json.Unmarshal(text, &v); err != nil {
		t.Fatal(err)
	}
	return v
}

func TestValuesGoWhenTheyAreNotNeededAnyMore(t *testing.T) {
	for name, end := range map[string]func(k *bench, tk *task.Task){
		"released": func(b *bench, tk *task.Task) { Kinds(b.services, b.roles, b.vault).Release(t.Context(), tk) },
		"removed": func(b *bench, tk *task.Task) {
			for i := range tk.Resources {
				if err := Kinds(b.services, b.roles, b.vault).Remove(t.Context(), tk, &tk.Resources[i]); err != nil {
					t.Error(err)
				}
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(&fakeServices{
				parameters: map[string]map[string]awsapi.Parameter{"us-west-2": {"/a": {Name: "/a", Value: "v"}}},
				secrets:    map[awsapi.SecretID]string{{ID: secretDB}: "v"},
			})
			tk := withSecrets(ssmSecret("/a"), asmSecret(secretDB))
			if err := b.create(t, tk); err != nil {
				t.Fatal(err)
			}
			end(b, tk)
			end(b, tk)
			if len(b.vault.tasks) > 0 {
				t.Errorf("%d tasks left", len(b.vault.tasks))
			}
			_, err := b.vault.Secret(tk, tk.Containers[0].Secrets[0])
			wantError(t, err, "task secret data: no value was fetched for secret S0")
		})
	}
}

func TestSecretsOfATaskWithoutTheResource(t *testing.T) {
	v := &Vault{}
	_, err := v.Secret(&task.Task{ARN: arn}, ssmSecret("/a"))
	wantError(t, err, "task secret data: unable to fetch SSM Secrets resource")
	_, err = v.Secret(&task.Task{ARN: arn}, asmSecret(secretDB))
	wantError(t, err, "task secret data: unable to fetch ASM Secrets resource")
}

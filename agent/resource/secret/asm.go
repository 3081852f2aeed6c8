package secret

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"

	"github.com/aws/amazon-ecs-agent/agent/awsapi"
	"github.com/aws/amazon-ecs-agent/agent/awsclient"
	"github.com/aws/amazon-ecs-agent/agent/resource"
	"github.com/aws/amazon-ecs-agent/agent/task"
)

// asmSecrets are the secrets of a task in Secrets Manager.
type asmSecrets struct{ craft }

// asmRecord is the object of the resource in agent.db.
type asmRecord struct {
	head
	Secrets map[string]task.Secret `json:"secretResources"` // by "<valueFrom>_<region>"
}

// Texts for users.
var (
	errNoRoleASM = errors.New("ASM secret resource: unable to find execution role credentials")
	errSecretARN = errors.New("an invalid ARN format for the AWS Secrets Manager secret was specified. Specify a valid ARN and try again.") //lint:ignore ST1005 the text users see
	errNotText   = errors.New("the secret has no text; binary secrets are not supported")
)

// Plan asks for one resource for all secrets of the task.
func (k *asmSecrets) Plan(t *task.Task) ([]task.Resource, error) {
	secrets := secretsOf(t, task.ProviderASM)
	if len(secrets) == 0 {
		return nil, nil
	}
	record := asmRecord{headOf(t), map[string]task.Secret{}}
	for _, s := range secrets {
		key := s.ValueFrom + "_" + s.Region
		if _, has := record.Secrets[key]; !has {
			record.Secrets[key] = s
		}
	}
	return planned(task.ResourceASMSecrets, record)
}

// Create fetches the secrets, all side by side, each version once however many of its members are wanted.
func (k *asmSecrets) Create(ctx context.Context, t *task.Task, r *task.Resource) error {
	var record asmRecord
	if err := recordOf(r, &record); err != nil {
		return err
	}
	keys, held := resource.ExecutionKeys(k.roles, t)
	if !held {
		return errNoRoleASM
	}
	wants, err := wantedFrom(record)
	if err != nil {
		return err
	}
	reads := k.readAll(ctx, t, keys, wants)
	values := map[reference]string{}
	var failures failureTexts
	for _, w := range wants {
		text, err := w.from(reads[w.read])
		if err != nil {
			failures.add(err)
		}
		values[w.reference] = text
	}
	if err := failures.err(); err != nil {
		return err
	}
	k.vault.put(t, task.ResourceASMSecrets, contents{values: values})
	return nil
}

// wanted is what of a secret goes into a container: all of it, or one member of a JSON object.
type wanted struct {
	reference
	read    asmRead
	jsonKey string
}

// wantedFrom gives what a record asks for, in a fixed order.
func wantedFrom(record asmRecord) ([]wanted, error) {
	var wants []wanted
	var failures failureTexts
	for _, key := range slices.Sorted(maps.Keys(record.Secrets)) {
		s := record.Secrets[key]
		id, jsonKey, err := parseValueFrom(s.ValueFrom)
		if err != nil {
			failures.add(fmt.Errorf("trying to retrieve secret with value %s resulted in error: %w", s.ValueFrom, err))
		}
		wants = append(wants, wanted{reference{s.ValueFrom, s.Region}, asmRead{s.Region, id}, jsonKey})
	}
	return wants, failures.err()
}

// parseValueFrom takes "arn:…:secret:<id>[:<json key>:<version stage>:<version id>]" apart.
func parseValueFrom(valueFrom string) (id awsapi.SecretID, jsonKey string, err error) {
	if !strings.HasPrefix(valueFrom, "arn:") {
		return id, "", errors.New("arn: invalid prefix")
	}
	const sections = 6
	parts := strings.SplitN(valueFrom, ":", sections)
	if len(parts) != sections {
		return id, "", errors.New("arn: not enough sections")
	}
	switch secret := strings.Split(parts[sections-1], ":"); len(secret) {
	case 2:
		return awsapi.SecretID{ID: valueFrom}, "", nil
	case 5:
		whole := strings.Join(append(parts[:sections-1:sections-1], secret[0], secret[1]), ":")
		return awsapi.SecretID{ID: whole, VersionStage: secret[3], VersionID: secret[4]}, secret[2], nil
	}
	return id, "", errSecretARN
}

// asmAnswer is what came of one read; text is nil for a secret that is no text.
type asmAnswer struct {
	text *string
	err  error
}

// readAll makes each read once, all at the same time.
func (k *asmSecrets) readAll(ctx context.Context, t *task.Task, keys awsclient.CredentialsProvider, wants []wanted) map[asmRead]asmAnswer {
	answers := map[asmRead]asmAnswer{}
	var mu sync.Mutex
	var all sync.WaitGroup
	for _, w := range wants {
		mu.Lock()
		_, begun := answers[w.read]
		if !begun {
			answers[w.read] = asmAnswer{}
		}
		mu.Unlock()
		if begun {
			continue
		}
		all.Go(func() {
			text, err := k.text(ctx, t, keys, w.read)
			mu.Lock()
			defer mu.Unlock()
			answers[w.read] = asmAnswer{text, err}
		})
	}
	all.Wait()
	return answers
}

// from picks what is wanted from an answer. The errors' texts reach users, so they never show the secret.
func (w wanted) from(a asmAnswer) (string, error) {
	switch {
	case awsapi.NoClient(a.err):
		return "", fmt.Errorf("unable to create ASM client: %w", a.err)
	case awsclient.ErrorCode(a.err) == awsapi.CodeResourceNotFound:
		return "", fmt.Errorf("%s: The task can't retrieve the secret with ARN '%s' from AWS Secrets Manager. Check whether the secret exists in the specified Region: %w",
			awsapi.CodeResourceNotFound, w.read.id.ID, a.err)
	case a.err != nil:
		return "", fmt.Errorf("secret %s: %w: %w", w.read.id.ID, a.err, a.err)
	case a.text == nil:
		return "", fmt.Errorf("secret %s: %w", w.read.id.ID, errNotText)
	case w.jsonKey == "":
		return *a.text, nil
	}
	return member(*a.text, w.jsonKey)
}

// member gives a member of a JSON object: strings as they are, everything else in Go's format, in which 12345678 is
// 1.2345678e+07. Who needs the digits writes a string.
func member(text, key string) (string, error) {
	var object map[string]any
	if err := json.Unmarshal([]byte(text), &object); err != nil {
		return "", decodeError(err)
	}
	found, has := object[key]
	if !has {
		return "", fmt.Errorf("retrieved secret from Secrets Manager did not contain json key %s", key)
	}
	return fmt.Sprint(found), nil
}

// decodeError keeps a decoder's error from showing more than one character of what it could not decode.
func decodeError(err error) error {
	var mismatch *json.UnmarshalTypeError
	if errors.As(err, &mismatch) {
		return fmt.Errorf("json: cannot unmarshal %s into Go value of type map[string]interface {}", strings.Fields(mismatch.Value)[0])
	}
	return err
}

// failureTexts collects what went wrong; equal texts count once.
type failureTexts []string

func (f *failureTexts) add(err error) {
	if !slices.Contains(*f, err.Error()) {
		*f = append(*f, err.Error())
	}
}

func (f failureTexts) err() error {
	if len(f) == 0 {
		return nil
	}
	return errors.New(strings.Join(f, ";"))
}

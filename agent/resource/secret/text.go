package secret

import (
	"context"
	"fmt"

	"github.com/aws/amazon-ecs-agent/agent/awsapi"
	"github.com/aws/amazon-ecs-agent/agent/awsclient"
	"github.com/aws/amazon-ecs-agent/agent/task"
)

// asmRead is one read of a secret.
type asmRead struct {
	region string
	id     awsapi.SecretID
}

// text reads a secret for a task; nil when it is no text. A version is read once, whatever it is wanted for: a registry's
// password may be wanted in a variable as well.
func (k craft) text(ctx context.Context, t *task.Task, keys awsclient.CredentialsProvider, read asmRead) (*string, error) {
	return k.vault.reads.Do(ctx, fmt.Sprintf("%s %q", t.ARN, read), func(ctx context.Context) (*string, error) {
		if text, held := k.vault.text(t, read); held {
			return text, nil
		}
		text, err := k.services.Secret(ctx, read.region, keys, read.id)
		if err == nil {
			k.vault.putText(t, read, text)
		}
		return text, err
	})
}

func (v *Vault) text(t *task.Task, read asmRead) (text *string, held bool) {
	v.mu.RLock()
	defer v.mu.RUnlock()
	text, held = v.texts[t.ARN][read]
	return text, held
}

func (v *Vault) putText(t *task.Task, read asmRead, text *string) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.texts == nil {
		v.texts = map[string]map[asmRead]*string{}
	}
	if v.texts[t.ARN] == nil {
		v.texts[t.ARN] = map[asmRead]*string{}
	}
	v.texts[t.ARN][read] = text
}

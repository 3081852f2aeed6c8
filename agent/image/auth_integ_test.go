//go:build integration

package image

import (
	"context"
	"encoding/base64"
	"strings"
	"testing"
	"time"

	"github.com/aws/amazon-ecs-agent/agent/awsapi"
	"github.com/aws/amazon-ecs-agent/agent/awsclient"
	"github.com/aws/amazon-ecs-agent/agent/docker"
	"github.com/aws/amazon-ecs-agent/agent/docker/dockertest"
	"github.com/aws/amazon-ecs-agent/agent/task"
)

// tokenOf gives a registry's user and password as Amazon ECR would.
type tokenOf struct{ user, password string }

func (k tokenOf) RegistryTokens(context.Context, awsapi.Registry, awsclient.CredentialsProvider) ([]awsapi.RegistryToken, error) {
	token := base64.StdEncoding.EncodeToString([]byte(k.user + ":" + k.password))
	return []awsapi.RegistryToken{{Token: token, ProxyEndpoint: "https://elsewhere.example", Expires: time.Now().Add(12 * time.Hour)}}, nil
}

func TestTokensAndPasswordsOpenARegistry(t *testing.T) {
	registry := dockertest.StartRegistry(t, true)
	good := docker.Auth{Username: dockertest.User, Password: dockertest.Password}
	bad := docker.Auth{Username: dockertest.User, Password: "wrong-password"}
	for _, kind := range []string{task.RegistryECR, task.RegistryASM} {
		t.Run(kind, func(t *testing.T) {
			name := registry.Push(t, dockertest.Name(kind)+":1", "KIND="+kind)
			dockertest.RemoveImage(t, name)
			pull := func(auth docker.Auth) error {
				p, _ := realPuller(t)
				p.auth = Auth{
					ECR:      &ECR{Tokens: tokenOf{auth.Username, auth.Password}},
					Password: func(*task.Task, *task.Container) (docker.Auth, bool) { return auth, true },
				}
				ts, c := oneTask(name)
				c.RegistryAuth = &task.RegistryAuth{Type: kind, ECR: &task.ECRAuthData{RegistryID: "1", Region: "us-west-2"}, ASM: &task.ASMAuthData{}}
				m, err := p.ResolveManifest(t.Context(), ts, c)
				if err == nil && m.Digest == "" {
					t.Error("no digest")
				}
				c.ImageDigest = m.Digest
				_, pullErr := p.Pull(t.Context(), ts, c)
				if (err == nil) != (pullErr == nil) {
					t.Errorf("digest: %v, pull: %v", err, pullErr)
				}
				return pullErr
			}
			err := pull(bad)
			if err == nil || !strings.HasPrefix(text(err), "CannotPullContainerError: ") || strings.Contains(text(err), bad.Password) {
				t.Errorf("with a wrong password: %v", err)
			}
			if err := pull(good); err != nil {
				t.Errorf("with the right password: %v", err)
			}
		})
	}
}

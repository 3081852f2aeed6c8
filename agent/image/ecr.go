package image

import (
	"container/list"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"time"

	"github.com/aws/amazon-ecs-agent/agent/awsapi"
	"github.com/aws/amazon-ecs-agent/agent/awsclient"
	"github.com/aws/amazon-ecs-agent/agent/credentials"
	"github.com/aws/amazon-ecs-agent/agent/docker"
	"github.com/aws/amazon-ecs-agent/agent/flight"
	"github.com/aws/amazon-ecs-agent/agent/logger"
	"github.com/aws/amazon-ecs-agent/agent/task"
)

// Tokens is the call that asks Amazon ECR for the token of a registry.
type Tokens interface {
	RegistryTokens(ctx context.Context, r awsapi.Registry, keys awsclient.CredentialsProvider) ([]awsapi.RegistryToken, error)
}

// Tokens are kept until shortly before they expire, but not for ever, and not without bound.
const (
	tokensKept    = 100
	tokenLifetime = 12 * time.Hour
	// renewAhead is how long before its end a token is asked for anew; up to renewSpread earlier at random, so that a fleet
	// of instances does not ask at once.
	renewAhead  = 30 * time.Minute
	renewSpread = 30 * time.Minute
)

// ECR gives credentials for registries of Amazon ECR. It is safe for concurrent use.
type ECR struct {
	Tokens Tokens
	Roles  *credentials.Store
	// Instance gives the credentials for images whose task does not bring its own.
	Instance awsclient.CredentialsProvider

	calls flight.Group[docker.Auth] // one for each registry and role, however many containers wait

	mu    sync.Mutex
	byKey map[tokenKey]*list.Element // of kept
	kept  list.List                  // of *keptToken, the one used last in front
}

// tokenKey is what a token is good for. New credentials of the same role need a new token.
type tokenKey struct {
	credentialsID, roleARN string // empty for the instance's own
	registry               awsapi.Registry
}

type keptToken struct {
	key     tokenKey
	auth    docker.Auth
	expires time.Time
	since   time.Time
}

var (
	errNoECRRole  = errors.New("engine ecr credentials: not found")
	errNoRoleKeys = errors.New("container uses execution credentials, but the credentials are empty")
)

// auth gives the credentials for the container's registry. The error's text is for users.
func (e *ECR) auth(ctx context.Context, t *task.Task, c *task.Container) (docker.Auth, error) {
	data := c.RegistryAuth.ECR
	if data == nil {
		data = &task.ECRAuthData{}
	}
	key := tokenKey{registry: awsapi.Registry{ID: data.RegistryID, Region: data.Region, Endpoint: data.EndpointOverride}}
	keys := e.Instance
	if data.UseExecutionRole {
		role, _ := e.Roles.Get(t.ExecutionCredentialsID)
		switch {
		case role == nil:
			return docker.Auth{}, errNoECRRole
		case role.AccessKeyID == "" || role.SecretAccessKey == "":
			return docker.Auth{}, errNoRoleKeys
		}
		key.credentialsID, key.roleARN = role.ID, role.RoleARN
		keys = awsclient.StaticCredentials{AccessKeyID: role.AccessKeyID, SecretAccessKey: role.SecretAccessKey,
			SessionToken: role.SessionToken, Source: "execution role"}
	}
	if kept, found := e.find(key); found && kept.fresh(time.Now()) {
		return kept.auth, nil
	}
	return e.calls.Do(ctx, fmt.Sprintf("%q", key), func(ctx context.Context) (docker.Auth, error) {
		if kept, found := e.find(key); found && kept.fresh(time.Now()) {
			return kept.auth, nil // another container's call ended just now
		}
		return e.renew(ctx, key, keys, c.Image)
	})
}

// renew asks for a token and keeps it. When that fails, one that has not expired yet still does.
func (e *ECR) renew(ctx context.Context, key tokenKey, keys awsclient.CredentialsProvider, image string) (docker.Auth, error) {
	tokens, err := e.Tokens.RegistryTokens(ctx, key.registry, keys)
	if err != nil {
		if kept, found := e.find(key); found && time.Now().Before(kept.expires) && ctx.Err() == nil {
			logger.Warn("Cannot renew the token of a registry; using the present one until it expires", logger.F("registryID", key.registry.ID),
				logger.F("region", key.registry.Region), logger.F("expires", kept.expires.UTC().Format(time.RFC3339)), logger.Err(err))
			return kept.auth, nil
		}
		return docker.Auth{}, err
	}
	auth, err := authOf(tokens, image)
	if err != nil {
		return docker.Auth{}, err
	}
	e.keep(&keptToken{key: key, auth: auth, expires: tokens[0].Expires, since: time.Now()})
	return auth, nil
}

// tokenExpired is how Amazon ECR says that it does not take a token any more.
const tokenExpired = "authorization token has expired"

// refused drops the token of auth when err says that the registry does not take it any more, whatever its end was said to
// be: the next step asks for a new one.
func (e *ECR) refused(auth docker.Auth, err error) {
	if !strings.Contains(err.Error(), tokenExpired) {
		return
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	for key, at := range e.byKey {
		if at.Value.(*keptToken).auth == auth {
			e.kept.Remove(at)
			delete(e.byKey, key)
		}
	}
}

// authOf takes the one token apart. The errors never show it.
func authOf(tokens []awsapi.RegistryToken, image string) (docker.Auth, error) {
	if len(tokens) != 1 {
		return docker.Auth{}, fmt.Errorf("unexpected number of results in AuthorizationData (%d)", len(tokens))
	}
	switch token := tokens[0]; {
	case token == awsapi.RegistryToken{}:
		return docker.Auth{}, fmt.Errorf("ecr auth: missing AuthorizationData in ECR response for %s", image)
	case token.Token == "":
		return docker.Auth{}, fmt.Errorf("ecr auth: AuthorizationData is nil for %s", image)
	}
	decoded, err := base64.StdEncoding.DecodeString(tokens[0].Token)
	user, password, found := strings.Cut(string(decoded), ":")
	if err != nil || !found {
		return docker.Auth{}, fmt.Errorf("ecr auth: malformed AuthorizationData in ECR response for %s", image)
	}
	return docker.Auth{Username: user, Password: password, ServerAddress: tokens[0].ProxyEndpoint}, nil
}

// fresh reports whether the token needs no renewal yet. Without a known end it always does.
func (k *keptToken) fresh(now time.Time) bool {
	return now.Before(k.expires.Add(-renewAhead-rand.N(renewSpread))) && now.Before(k.since.Add(tokenLifetime))
}

func (e *ECR) find(key tokenKey) (*keptToken, bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	at, found := e.byKey[key]
	if !found {
		return nil, false
	}
	e.kept.MoveToFront(at)
	return at.Value.(*keptToken), true
}

func (e *ECR) keep(token *keptToken) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if at, found := e.byKey[token.key]; found {
		e.kept.Remove(at)
	}
	if e.byKey == nil {
		e.byKey = map[tokenKey]*list.Element{}
	}
	e.byKey[token.key] = e.kept.PushFront(token)
	if e.kept.Len() > tokensKept {
		oldest := e.kept.Remove(e.kept.Back()).(*keptToken)
		delete(e.byKey, oldest.key)
	}
}

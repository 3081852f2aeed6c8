package image

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"slices"
	"strings"

	"github.com/aws/amazon-ecs-agent/agent/config"
	"github.com/aws/amazon-ecs-agent/agent/docker"
	"github.com/aws/amazon-ecs-agent/agent/logger"
	"github.com/aws/amazon-ecs-agent/agent/task"
)

// Auth is where the registry credentials of tasks come from, beside the agent's configuration.
type Auth struct {
	ECR *ECR
	// Password gives user and password from a secret that was fetched for the task; false: there are none.
	Password func(*task.Task, *task.Container) (docker.Auth, bool)
}

var errNoPassword = errors.New("engine docker private registry credentials: not found")

// credentials for the container's registry. The task says which source they come from; none stands in for another.
func (p *Puller) credentials(ctx context.Context, t *task.Task, c *task.Container) (docker.Auth, error) {
	source := ""
	if c.RegistryAuth != nil {
		source = c.RegistryAuth.Type
	}
	switch source {
	case task.RegistryECR:
		auth, err := p.auth.ECR.auth(ctx, t, c)
		if err != nil {
			return docker.Auth{}, task.NewError(task.ErrCannotPullECRContainer, err)
		}
		return auth, nil
	case task.RegistryASM:
		auth, fetched := p.auth.Password(t, c)
		if !fetched {
			return docker.Auth{}, task.NewError(task.ErrCannotPullContainerAuth, errNoPassword)
		}
		return auth, nil
	}
	return p.engine.forImage(c.Image), nil
}

// refused tells the source of the credentials what the registry said when it was asked with them.
func (p *Puller) refused(c *task.Container, auth docker.Auth, err error) {
	if c.RegistryAuth != nil && c.RegistryAuth.Type == task.RegistryECR {
		p.auth.ECR.refused(auth, err)
	}
}

// engineAuth are the registry credentials of the configuration, by registry: a host, or a host and the start of a path.
type engineAuth map[string]docker.Auth

// hubKey is the one key that Docker Hub's credentials are looked up with.
const hubKey = "index.docker.io/v1/"

// readEngineAuth reads ECS_ENGINE_AUTH_DATA. What cannot be read is told once and gives no credentials; the data never
// shows up in the message.
func readEngineAuth(kind string, data config.Secret) engineAuth {
	switch kind {
	case "":
		return nil
	case "dockercfg":
		return readDockercfg(unwrap(data.Contents()))
	case "docker":
		var entries map[string]docker.Auth
		if json.Unmarshal(unwrap(data.Contents()), &entries) != nil {
			logger.Warn("Could not parse 'docker' type auth config")
			return nil
		}
		return byRegistry(entries)
	default:
		logger.Warn("Unknown auth configuration: " + kind)
		return nil
	}
}

// unwrap accepts a whole config.json of Docker: its credentials are in the member "auths".
func unwrap(data json.RawMessage) json.RawMessage {
	var file struct{ Auths json.RawMessage }
	if json.Unmarshal(data, &file) == nil && len(file.Auths) > 0 {
		return file.Auths
	}
	return data
}

func readDockercfg(data json.RawMessage) engineAuth {
	var entries map[string]struct{ Auth string }
	if json.Unmarshal(data, &entries) != nil {
		logger.Warn("Could not parse 'dockercfg' type auth config")
		return nil
	}
	auths := map[string]docker.Auth{}
	for registry, entry := range entries {
		decoded, err := base64.StdEncoding.DecodeString(entry.Auth)
		if err != nil {
			logger.Warn("Malformed auth data for registry " + registry)
			continue
		}
		user, password, found := strings.Cut(string(decoded), ":")
		if !found {
			logger.Warn("Malformed auth data for registry " + registry + "; must contain ':'")
			continue
		}
		auths[registry] = docker.Auth{Username: user, Password: password}
	}
	return byRegistry(auths)
}

func byRegistry(entries map[string]docker.Auth) engineAuth {
	auths := engineAuth{}
	for registry, auth := range entries {
		auths[strings.TrimPrefix(strings.TrimPrefix(registry, "https://"), "http://")] = auth
	}
	return auths
}

// forImage finds the credentials for an image; the zero value means to pull without.
func (a engineAuth) forImage(image string) docker.Auth {
	image, _, _ = strings.Cut(image, "@") // a digest
	image = withoutTag(image)
	host := registryHost(image)
	switch host {
	case "docker.io", "index.docker.io", "registry-1.docker.io":
		return a[hubKey]
	}
	best, bestRank := "", 0
	for _, key := range a.keys() {
		if keyHost, _, _ := strings.Cut(key, "/"); keyHost != host {
			continue
		}
		if rank := rankOf(strings.TrimRight(key, "/"), host, image); rank > bestRank {
			best, bestRank = key, rank
		}
	}
	return a[best]
}

// rankOf prefers the longest key whose path elements begin the image's, then the host alone. With neither, the key of
// another path of that host is used all the same.
func rankOf(key, host, image string) int {
	switch {
	case key == host:
		return 2
	case image == key || strings.HasPrefix(image, key+"/"):
		return 2 + len(key)
	default:
		return 1
	}
}

// keys in a fixed order, so that equal ranks always give the same choice.
func (a engineAuth) keys() []string {
	keys := make([]string, 0, len(a))
	for key := range a {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	return keys
}

func withoutTag(image string) string {
	if colon := strings.LastIndexByte(image, ':'); colon >= 0 && !strings.Contains(image[colon:], "/") {
		return image[:colon]
	}
	return image
}

func registryHost(image string) string {
	host, _, found := strings.Cut(image, "/")
	if found && (strings.ContainsAny(host, ".:") || host == "localhost") {
		return host
	}
	return "docker.io"
}

package container

import (
	"context"
	"errors"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/aws/amazon-ecs-agent/agent/docker"
	"github.com/aws/amazon-ecs-agent/agent/task"
)

// leastSecret is the length from which a value is looked for in texts; shorter ones are in every other word.
const leastSecret = 4

// redactor keeps secrets out of what Docker says about a container: some log drivers repeat the options that they do not
// like, and errors reach ECS. The zero value is ready to use.
type redactor struct {
	mu     sync.Mutex
	byName map[string][]string // values by the container's RuntimeName, from its creation to the end of its start
}

func (r *redactor) keep(name string, values []string) {
	if len(values) == 0 {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.byName == nil {
		r.byName = map[string][]string{}
	}
	r.byName[name] = values
}

func (r *redactor) drop(name string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.byName, name)
}

func (r *redactor) kept(name string) []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.byName[name]
}

// hidden is an error about a container without its secrets. What kind of error it is stays known, its cause does not.
func hidden(err error, hide func(text string) string) error {
	var named *task.Error
	if err == nil || !errors.As(err, &named) {
		return err
	}
	text := hide(named.Message)
	if text == named.Message {
		return err
	}
	clean := &task.Error{Name: named.Name, Message: text}
	if errors.Is(err, task.ErrGone) {
		clean.Cause = task.ErrGone
	}
	return clean
}

// hiddenFailure is the error of a call about a container that there is, without its secrets.
func (r *Runner) hiddenFailure(ctx context.Context, c *task.Container, err error) error {
	return hidden(err, func(text string) string {
		if !strings.Contains(text, daemonSays) && r.hide.kept(c.RuntimeName) == nil {
			return text // the client's own
		}
		return r.hiddenText(ctx, c, text)
	})
}

// daemonSays is in the errors that the daemon itself has written.
const daemonSays = "Error response from daemon"

// hideIn removes a container's secrets from the error that Docker keeps with its state.
func (r *Runner) hideIn(ctx context.Context, c *task.Container, state *task.ContainerState) {
	if state == nil || state.Failure == nil || state.Failure.Name != task.ErrDockerState {
		return
	}
	if text := r.hiddenText(ctx, c, state.Failure.Message); text != state.Failure.Message {
		state.Failure = &task.Error{Name: state.Failure.Name, Message: text}
	}
}

// leftOut stands for a text of which nobody can tell whether there is a secret in it.
const leftOut = "[Docker's text is left out: the container has secrets, and Docker does not say which]"

// hiddenText is a text about a container without its secrets. From its creation to the end of its start they are in memory,
// later Docker alone knows them.
func (r *Runner) hiddenText(ctx context.Context, c *task.Container, text string) string {
	values := r.hide.kept(c.RuntimeName)
	if values == nil && text != "" && mayHoldSecrets(c) {
		given, err := r.docker.Settings(ctx, reference(c))
		if err != nil {
			return leftOut
		}
		values = secretsAmong(given, c)
	}
	return redact(text, values)
}

func mayHoldSecrets(c *task.Container) bool { return len(c.Secrets) > 0 || c.Firelens != nil }

// routerVariable is the name of a variable in which a log router finds a secret log option of another container.
var routerVariable = regexp.MustCompile(`_\d+$`)

// secretsAmong are those of a container's settings that are secrets.
func secretsAmong(given docker.Settings, c *task.Container) (values []string) {
	for _, s := range c.Secrets {
		values = append(values, given.Environment[s.Name], given.LogOptions[s.Name])
	}
	for name, value := range given.Environment {
		if c.Firelens != nil && routerVariable.MatchString(name) {
			values = append(values, value)
		}
	}
	return values
}

// redact replaces values in a text, as they are and as they look between quotes. Those that contain others go first.
func redact(text string, values []string) string {
	var all []string
	for _, value := range values {
		if len(value) >= leastSecret {
			quoted := strconv.Quote(value)
			all = append(all, value, quoted[1:len(quoted)-1])
		}
	}
	slices.SortFunc(all, func(a, b string) int { return len(b) - len(a) })
	for _, value := range all {
		text = strings.ReplaceAll(text, value, "[redacted]")
	}
	return text
}

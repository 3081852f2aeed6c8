package container

import (
	"errors"
	"strings"
	"sync"

	"github.com/aws/amazon-ecs-agent/agent/task"
)

// leastSecret is the length from which a value is looked for in texts; shorter ones are in every other word.
const leastSecret = 4

// redactor keeps secrets out of what Docker says about the creation and the start of a container: some log drivers repeat
// the options that they do not like, and errors reach ECS. The zero value is ready to use.
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

// text is a text about a container without its secrets.
func (r *redactor) text(name, text string) string {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, value := range r.byName[name] {
		if len(value) >= leastSecret {
			text = strings.ReplaceAll(text, value, "[redacted]")
		}
	}
	return text
}

// err is an error about a container without its secrets. What kind of error it is stays known, its cause does not.
func (r *redactor) err(name string, err error) error {
	var named *task.Error
	if err == nil || !errors.As(err, &named) {
		return err
	}
	text := r.text(name, named.Message)
	if text == named.Message {
		return err
	}
	clean := &task.Error{Name: named.Name, Message: text}
	if errors.Is(err, task.ErrGone) {
		clean.Cause = task.ErrGone
	}
	return clean
}

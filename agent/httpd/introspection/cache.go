package introspection

import (
	"net/http"
	"slices"
	"sync"

	"github.com/aws/amazon-ecs-agent/agent/httpd"
	"github.com/aws/amazon-ecs-agent/agent/task"
)

// cache keeps the answer about all tasks as long as none of them changes. Then only those that did are encoded anew: a host
// may have a thousand tasks that have ended long ago.
type cache struct {
	tasks Tasks

	mu     sync.Mutex
	seen   []*task.Task
	answer httpd.Kept
	spans  map[*task.Task]span
}

// span is where in the answer a task stands.
type span struct{ from, to int }

// serveAll answers without a filter; internal tasks are left out.
func (c *cache) serveAll(w http.ResponseWriter) {
	c.all().Give(w, tasksRequest)
}

func (c *cache) all() httpd.Kept {
	tasks := c.tasks.Tasks()
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.spans != nil && slices.Equal(tasks, c.seen) {
		return c.answer
	}
	const slack = 4 << 10
	body := append(make([]byte, 0, len(c.answer.Text)+slack), `{"Tasks":[`...)
	spans := make(map[*task.Task]span, len(tasks))
	for _, t := range tasks {
		if t.Internal {
			continue
		}
		text := c.kept(t)
		if text == nil {
			var status int
			if status, text = httpd.Encode(http.StatusOK, newTaskResponse(t)); status != http.StatusOK {
				return httpd.KeepText(status, text)
			}
		}
		if len(spans) > 0 {
			body = append(body, ',')
		}
		from := len(body)
		body = append(body, text...)
		spans[t] = span{from, len(body)}
	}
	c.seen, c.answer, c.spans = tasks, httpd.KeepText(http.StatusOK, append(body, "]}"...)), spans
	return c.answer
}

// kept is how this snapshot of a task stands in the answer before; nil when it does not.
func (c *cache) kept(t *task.Task) []byte {
	if s, has := c.spans[t]; has {
		return c.answer.Text[s.from:s.to]
	}
	return nil
}

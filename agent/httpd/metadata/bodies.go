package metadata

import (
	"net/http"
	"sync"

	"github.com/aws/amazon-ecs-agent/agent/httpd"
	"github.com/aws/amazon-ecs-agent/agent/task"
)

// maxBodies bounds the answers kept. Few containers ask again and again; when there are more, all are encoded anew.
const maxBodies = 256

// bodies keeps encoded answers for as long as the task they are about does not change.
type bodies struct {
	mu   sync.RWMutex
	kept map[key]body
}

// key is an answer: the ARN of the task or id of the container it is about, and the version.
type key struct{ id, version string }

type body struct {
	snapshot *task.Task
	answer   httpd.Kept
}

func newBodies() *bodies { return &bodies{kept: map[key]body{}} }

// serve answers with what is kept for this snapshot of the task, or with what build gives.
func (b *bodies) serve(w http.ResponseWriter, t *task.Task, k key, request string, build func() any) {
	b.mu.RLock()
	kept, has := b.kept[k]
	b.mu.RUnlock()
	if !has || kept.snapshot != t {
		kept = body{t, httpd.Keep(build())}
		b.mu.Lock()
		if len(b.kept) >= maxBodies {
			clear(b.kept)
		}
		b.kept[k] = kept
		b.mu.Unlock()
	}
	kept.answer.Give(w, request)
}

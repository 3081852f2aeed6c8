// Package credentials hands out the credentials of task and execution roles to those who know their id: the SDKs in
// containers, and the Docker daemon for log drivers.
package credentials

import (
	"net/http"
	"sync"

	"github.com/aws/amazon-ecs-agent/agent/credentials"
	"github.com/aws/amazon-ecs-agent/agent/httpd"
	"github.com/aws/amazon-ecs-agent/agent/httpd/audit"
	"github.com/aws/amazon-ecs-agent/agent/logger"
)

const request = "credentials"

// Store knows credentials by their id. known is set with nil credentials for ids of restored tasks whose credentials ECS
// has not sent yet.
type Store interface {
	Get(id string) (c *credentials.Credentials, known bool)
}

// Register adds the routes of both versions.
func Register(routes *httpd.Router, store Store, log *audit.Log) {
	h := &handler{store: store, log: log, answers: answers{store: store, kept: map[string]kept{}}}
	routes.Handle("/v1/credentials", func(w http.ResponseWriter, r *http.Request, _ httpd.Vars) {
		h.serve(w, r, "CredentialsV1Request: ", r.URL.Query().Get("id"))
	})
	routes.Handle("/v2/credentials/{*id}", func(w http.ResponseWriter, r *http.Request, vars httpd.Vars) {
		h.serve(w, r, "CredentialsV2Request: ", vars[0])
	})
}

type handler struct {
	store   Store
	log     *audit.Log
	answers answers
}

// maxAnswers bounds the encoded answers that are kept; when there are more, all are encoded anew.
const maxAnswers = 256

// answers keeps encoded credentials, by their id. Those that the store has dropped or replaced go when the next are kept.
type answers struct {
	store Store

	mu   sync.RWMutex
	kept map[string]kept
}

type kept struct {
	of     *credentials.Credentials
	answer httpd.Kept
}

func (a *answers) of(id string, c *credentials.Credentials) httpd.Kept {
	a.mu.RLock()
	k := a.kept[id]
	a.mu.RUnlock()
	if k.of == c {
		return k.answer
	}
	k = kept{c, httpd.Keep(answer{c.RoleARN, c.AccessKeyID, c.SecretAccessKey, c.SessionToken, c.Expiration})}
	a.mu.Lock()
	defer a.mu.Unlock()
	for other, k := range a.kept {
		if now, _ := a.store.Get(other); now != k.of || len(a.kept) >= maxAnswers {
			delete(a.kept, other)
		}
	}
	a.kept[id] = k
	return k.answer
}

// answer is what SDKs expect; the id and the kind of role are never in it.
type answer struct {
	RoleArn         string
	AccessKeyId     string
	SecretAccessKey string
	Token           string
	Expiration      string
}

type failure struct {
	Code    string `json:"code"`
	Message string `json:"message"`
	Status  int    `json:"HTTPErrorCode"`
}

func (h *handler) serve(w http.ResponseWriter, r *http.Request, prefix, id string) {
	if id == "" {
		h.fail(w, r, failure{"NoIdInRequest", prefix + "No Credential ID in the request", http.StatusBadRequest})
		return
	}
	c, known := h.store.Get(id)
	switch {
	case known && c == nil:
		// SDKs try again after 503 and give up after 400.
		h.fail(w, r, failure{"CredentialsUninitialized", prefix + "Credentials uninitialized for ID", http.StatusServiceUnavailable})
		return
	case !known:
		h.fail(w, r, failure{"InvalidIdInRequest", prefix + "Credentials not found", http.StatusBadRequest})
		return
	}
	answer := h.answers.of(id, c)
	if logger.Enabled(logger.LevelInfo) {
		logger.Info("Processing credential request, credentialType=" + string(c.RoleType) + " taskARN=" + c.TaskARN)
	}
	h.log.Credentials(r, answer.Status, c)
	answer.Give(w, request)
}

func (h *handler) fail(w http.ResponseWriter, r *http.Request, f failure) {
	logger.Error("Error processing credential request: " + f.Message)
	h.log.Credentials(r, f.Status, nil)
	httpd.JSON(w, f.Status, request, f)
}

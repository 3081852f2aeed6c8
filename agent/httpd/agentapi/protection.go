// Package agentapi lets containers act on their own task. Today that is scale-in protection: the agent asks ECS in the
// name of the task's role, so the container needs no credentials of its own for it.
package agentapi

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"time"

	"github.com/aws/amazon-ecs-agent/agent/awsclient"
	"github.com/aws/amazon-ecs-agent/agent/credentials"
	"github.com/aws/amazon-ecs-agent/agent/ecsapi"
	"github.com/aws/amazon-ecs-agent/agent/httpd"
	"github.com/aws/amazon-ecs-agent/agent/task"
)

// callBudget bounds the call to ECS. It is below the server's write timeout of 5 s, so that the container hears of it.
const callBudget = 4 * time.Second

// Kinds of requests, as the log calls them.
const (
	getRequest    = "api/GetTaskProtection/v1"
	updateRequest = "api/UpdateTaskProtection/v1"
)

// Tasks is what the agent API needs of the engine.
type Tasks interface {
	// ByEndpoint finds a container by the id in its agent API address.
	ByEndpoint(id string) (*task.Task, *task.Container, bool)
}

// Store gives the credentials of a task role; nil when there are none (yet).
type Store interface {
	Get(id string) (c *credentials.Credentials, known bool)
}

// ECS is the service side; calls are signed with the credentials of the task role.
type ECS interface {
	GetTaskProtection(ctx context.Context, role awsclient.Credentials, cluster, taskARN string) (ecsapi.ProtectionResult, error)
	UpdateTaskProtection(ctx context.Context, role awsclient.Credentials, u ecsapi.ProtectionUpdate) (ecsapi.ProtectionResult, error)
}

// Register adds the routes.
func Register(routes *httpd.Router, cluster string, tasks Tasks, store Store, ecs ECS) {
	h := handler{cluster, tasks, store, ecs}
	const path = "/api/{id}/task-protection/v1/state"
	routes.Handle(path, h.get, http.MethodGet)
	routes.Handle(path, h.update, http.MethodPut)
}

type handler struct {
	cluster string
	tasks   Tasks
	store   Store
	ecs     ECS
}

// answer is the body of every answer; exactly one of the last three is set.
type answer struct {
	RequestID  *string     `json:"requestID,omitempty"`
	Protection *protection `json:"protection,omitempty"`
	Failure    *failure    `json:"failure,omitempty"`
	Error      *problem    `json:"error,omitempty"`
}

type protection struct {
	ExpirationDate    *time.Time
	ProtectionEnabled bool
	TaskArn           *string
}

type failure struct {
	Arn    *string
	Detail *string
	Reason *string
}

type problem struct {
	Arn     string `json:",omitempty"`
	Code    string
	Message string
}

func (h handler) get(w http.ResponseWriter, r *http.Request, vars httpd.Vars) {
	t, ok := h.task(w, getRequest, vars[0])
	if !ok {
		return
	}
	role, ok := h.role(w, getRequest, t)
	if !ok {
		return
	}
	ctx, cancel := context.WithTimeout(r.Context(), callBudget)
	defer cancel()
	result, err := h.ecs.GetTaskProtection(ctx, role, h.cluster, t.ARN)
	respond(w, getRequest, t.ARN, result, err)
}

// wish is the body of an update.
type wish struct {
	ProtectionEnabled *bool
	ExpiresInMinutes  *int32
}

func (h handler) update(w http.ResponseWriter, r *http.Request, vars httpd.Vars) {
	var asked wish
	body := json.NewDecoder(r.Body)
	body.DisallowUnknownFields()
	if err := body.Decode(&asked); err != nil {
		fail(w, updateRequest, http.StatusBadRequest, problem{Code: "InvalidParameterException", Message: "UpdateTaskProtection: failed to decode request"})
		return
	}
	t, ok := h.task(w, updateRequest, vars[0])
	if !ok {
		return
	}
	if asked.ProtectionEnabled == nil {
		fail(w, updateRequest, http.StatusBadRequest, problem{t.ARN, "InvalidParameterException", "Invalid request: does not contain 'ProtectionEnabled' field"})
		return
	}
	role, ok := h.role(w, updateRequest, t)
	if !ok {
		return
	}
	ctx, cancel := context.WithTimeout(r.Context(), callBudget)
	defer cancel()
	result, err := h.ecs.UpdateTaskProtection(ctx, role, ecsapi.ProtectionUpdate{
		Cluster: h.cluster, TaskARN: t.ARN, Enabled: *asked.ProtectionEnabled, ExpiresInMinutes: asked.ExpiresInMinutes,
	})
	respond(w, updateRequest, t.ARN, result, err)
}

// task finds the task that asks, or answers that there is none.
func (h handler) task(w http.ResponseWriter, request, id string) (*task.Task, bool) {
	t, c, known := h.tasks.ByEndpoint(id)
	if !known || c.RuntimeID == "" {
		fail(w, request, http.StatusNotFound, problem{Code: "ResourceNotFoundException", Message: "Failed to find a task for the request"})
		return nil, false
	}
	return t, true
}

// role finds the credentials of the task's role, or answers that there are none. Those of the instance or of the
// execution role are never used instead.
func (h handler) role(w http.ResponseWriter, request string, t *task.Task) (awsclient.Credentials, bool) {
	if t.CredentialsID != "" {
		if c, _ := h.store.Get(t.CredentialsID); c != nil {
			return awsclient.Credentials{AccessKeyID: c.AccessKeyID, SecretAccessKey: c.SecretAccessKey, SessionToken: c.SessionToken}, true
		}
	}
	fail(w, request, http.StatusForbidden, problem{t.ARN, "AccessDeniedException", "Invalid Request: no task IAM role credentials available for task"})
	return awsclient.Credentials{}, false
}

func respond(w http.ResponseWriter, request, arn string, result ecsapi.ProtectionResult, err error) {
	switch {
	case err != nil:
		status, body := describe(arn, err)
		httpd.JSON(w, status, request, body)
	case len(result.Failures) == 1:
		f := result.Failures[0]
		httpd.JSON(w, http.StatusOK, request, answer{Failure: &failure{f.ARN, f.Detail, f.Reason}})
	case len(result.Failures) == 0 && len(result.Protected) == 1:
		p := result.Protected[0]
		httpd.JSON(w, http.StatusOK, request, answer{Protection: &protection{p.Expires, p.Enabled, p.TaskARN}})
	default:
		fail(w, request, http.StatusInternalServerError, problem{arn, "ServerException", "Unexpected error occurred"})
	}
}

// describe says what went wrong with the call to ECS.
func describe(arn string, err error) (int, answer) {
	var api *awsclient.APIError
	switch {
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return http.StatusGatewayTimeout, answer{Error: &problem{arn, "RequestCanceled", "Timed out calling ECS Task Protection API"}}
	case !errors.As(err, &api):
		return http.StatusInternalServerError, answer{Error: &problem{arn, "ServerException", err.Error()}}
	case api.Status == 0:
		return http.StatusInternalServerError, answer{Error: &problem{arn, api.Code, api.Message}}
	}
	return api.Status, answer{RequestID: &api.RequestID, Error: &problem{arn, api.Code, api.Message}}
}

func fail(w http.ResponseWriter, request string, status int, p problem) {
	httpd.JSON(w, status, request, answer{Error: &p})
}

// Package api speaks AWS JSON 1.1 for the ECS service: the operations agents call and those operators call with the AWS
// CLI or an SDK. Signatures are not verified. Errors have the types and texts of the real service where it has them,
// and name the field.
package api

import (
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"strings"

	"github.com/aws/amazon-ecs-agent/misc/local-ecs/internal/control"
	"github.com/aws/amazon-ecs-agent/misc/local-ecs/internal/ecs"
	"github.com/aws/amazon-ecs-agent/misc/local-ecs/internal/faults"
	"github.com/aws/amazon-ecs-agent/misc/local-ecs/internal/state"
)

// API answers requests to POST /.
type API struct {
	Store   *state.Store
	Control *control.Control
	Log     *slog.Logger
	// Deregistered is told about instances that left their cluster.
	Deregistered func(instanceID string)

	Faults      *faults.Set         // nil without --enable-faults
	Submissions *faults.Submissions // nil without --enable-faults
}

const (
	targetPrefix = "AmazonEC2ContainerServiceV20141113."
	contentType  = "application/x-amz-json-1.1"
	maxBody      = 4 << 20
)

type operation func(a *API, r *http.Request, body []byte) (any, error)

// op makes an operation of a function with a typed input.
func op[In any](run func(a *API, r *http.Request, in *In) (any, error)) operation {
	return func(a *API, r *http.Request, body []byte) (any, error) {
		in := new(In)
		if len(body) > 0 {
			if err := json.Unmarshal(body, in); err != nil {
				return nil, serialization(err)
			}
		}
		return run(a, r, in)
	}
}

func serialization(err error) error {
	if t := (*json.UnmarshalTypeError)(nil); errors.As(err, &t) {
		return ecs.Errorf("SerializationException", "'%s' must be of type %s, not %s.", t.Field, t.Type, t.Value)
	}
	return ecs.Errorf("SerializationException", "The request body is not valid JSON: %v.", err)
}

// ServeHTTP answers one request.
func (a *API) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("x-amzn-RequestId", control.NewUUID())
	name, ok := strings.CutPrefix(r.Header.Get("X-Amz-Target"), targetPrefix)
	if r.Method != http.MethodPost || !ok {
		a.reply(w, nil, ecs.Errorf("UnknownOperationException", "This is the ECS API of local-ecs: POST / with header X-Amz-Target: %s<Operation>.", targetPrefix))
		return
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if err != nil {
		a.reply(w, nil, ecs.Errorf("SerializationException", "The request body cannot be read: %v.", err))
		return
	}
	run := func(w http.ResponseWriter, r *http.Request) {
		out, err := a.call(name, r, body)
		a.reply(w, out, err)
	}
	if a.Faults != nil {
		a.Faults.Wrap(name, body, w, r, run)
		return
	}
	run(w, r)
}

func (a *API) call(name string, r *http.Request, body []byte) (any, error) {
	run, ok := operations[name]
	if !ok {
		return nil, ecs.Errorf("UnknownOperationException", "local-ecs has no operation %s.", name)
	}
	out, err := run(a, r, body)
	if err != nil {
		a.Log.Info("request refused", "operation", name, "error", err)
	} else {
		a.Log.Debug("request", "operation", name)
	}
	return out, err
}

func (a *API) reply(w http.ResponseWriter, out any, err error) {
	w.Header().Set("Content-Type", contentType)
	if err != nil {
		e := (*ecs.Error)(nil)
		if !errors.As(err, &e) {
			a.Log.Error("request failed", "error", err)
			e = ecs.Errorf("ServerException", "%v", err)
		}
		w.Header().Set("X-Amzn-ErrorType", e.Type)
		w.WriteHeader(e.HTTPStatus())
		out = map[string]string{"__type": e.Type, "message": e.Message}
	}
	encoder := json.NewEncoder(w)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(out); err != nil {
		a.Log.Warn("answer not sent", "error", err)
	}
}

// operations are all operations by name.
var operations = map[string]operation{
	// agents
	"RegisterContainerInstance":    op(registerContainerInstance),
	"DiscoverPollEndpoint":         op(discoverPollEndpoint),
	"SubmitTaskStateChange":        submitTaskStateChange,
	"SubmitContainerStateChange":   submitContainerStateChange,
	"SubmitAttachmentStateChanges": submitAttachmentStateChanges,
	"GetTaskProtection":            op(getTaskProtection),
	"UpdateTaskProtection":         op(updateTaskProtection),

	// both
	"UpdateContainerInstancesState": op(updateContainerInstancesState),
	"DeregisterContainerInstance":   op(deregisterContainerInstance),
	"ListTagsForResource":           op(listTagsForResource),
	"CreateCluster":                 op(createCluster),

	// operators
	"DeleteCluster":              op(deleteCluster),
	"DescribeClusters":           op(describeClusters),
	"ListClusters":               op(listClusters),
	"RegisterTaskDefinition":     op(registerTaskDefinition),
	"DescribeTaskDefinition":     op(describeTaskDefinition),
	"DeregisterTaskDefinition":   op(deregisterTaskDefinition),
	"ListTaskDefinitions":        op(listTaskDefinitions),
	"ListTaskDefinitionFamilies": op(listTaskDefinitionFamilies),
	"RunTask":                    op(runTask),
	"StartTask":                  op(startTask),
	"StopTask":                   op(stopTask),
	"DescribeTasks":              op(describeTasks),
	"ListTasks":                  op(listTasks),
	"ListContainerInstances":     op(listContainerInstances),
	"DescribeContainerInstances": op(describeContainerInstances),
	"ListAttributes":             op(listAttributes),
	"PutAttributes":              op(putAttributes),
	"DeleteAttributes":           op(deleteAttributes),
	"TagResource":                op(tagResource),
	"UntagResource":              op(untagResource),
	"CreateService":              op(createService),
	"UpdateService":              op(updateService),
	"DeleteService":              op(deleteService),
	"DescribeServices":           op(describeServices),
	"ListServices":               op(listServices),
}

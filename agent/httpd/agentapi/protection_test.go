package agentapi

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/aws/amazon-ecs-agent/agent/awsclient"
	"github.com/aws/amazon-ecs-agent/agent/credentials"
	"github.com/aws/amazon-ecs-agent/agent/ecsapi"
	"github.com/aws/amazon-ecs-agent/agent/httpd"
	"github.com/aws/amazon-ecs-agent/agent/task"
)

const arn = "arn:aws:ecs:us-west-2:111122223333:task/default/158d1c8083dd49d6b527399fd6414f5c"

// service is ECS: it notes the calls and answers as told.
type service struct {
	calls  []string
	result ecsapi.ProtectionResult
	err    error
	hang   bool
}

func (s *service) answer(ctx context.Context, call string) (ecsapi.ProtectionResult, error) {
	s.calls = append(s.calls, call)
	if s.hang {
		<-ctx.Done()
		return ecsapi.ProtectionResult{}, fmt.Errorf("call: %w", ctx.Err())
	}
	return s.result, s.err
}

func (s *service) GetTaskProtection(ctx context.Context, role awsclient.Credentials, cluster, taskARN string) (ecsapi.ProtectionResult, error) {
	return s.answer(ctx, fmt.Sprint("get ", role.AccessKeyID, role.SecretAccessKey, role.SessionToken, " ", cluster, " ", taskARN))
}

func (s *service) UpdateTaskProtection(ctx context.Context, role awsclient.Credentials, u ecsapi.ProtectionUpdate) (ecsapi.ProtectionResult, error) {
	minutes := "-"
	if u.ExpiresInMinutes != nil {
		minutes = fmt.Sprint(*u.ExpiresInMinutes)
	}
	return s.answer(ctx, fmt.Sprint("update ", role.AccessKeyID, " ", u.Cluster, " ", u.TaskARN, " ", u.Enabled, " ", minutes))
}

// host has one task with a role, and one without.
type host struct{}

func (host) ByEndpoint(id string) (*task.Task, *task.Container, bool) {
	c := &task.Container{RuntimeID: "docker"}
	switch id {
	case "eid":
		return &task.Task{ARN: arn, CredentialsID: "role"}, c, true
	case "no-role":
		return &task.Task{ARN: arn, ExecutionCredentialsID: "role"}, c, true
	case "not-yet":
		return &task.Task{ARN: arn, CredentialsID: "pending"}, c, true
	case "not-created":
		return &task.Task{ARN: arn, CredentialsID: "role"}, &task.Container{}, true
	}
	return nil, nil, false
}

func call(s *service, method, id, body string) *httptest.ResponseRecorder {
	store := &credentials.Store{}
	store.Set(credentials.Credentials{ID: "role", AccessKeyID: "AK", SecretAccessKey: "SK", SessionToken: "ST"})
	store.Expect("pending")
	routes := &httpd.Router{}
	Register(routes, "cluster", host{}, store, s)
	w := httptest.NewRecorder()
	routes.ServeHTTP(w, httptest.NewRequest(method, "/api/"+id+"/task-protection/v1/state", io.NopCloser(strings.NewReader(body))))
	return w
}

func TestRequests(t *testing.T) {
	const notFound = `{"error":{"Code":"ResourceNotFoundException","Message":"Failed to find a task for the request"}}`
	const denied = `{"error":{"Arn":"` + arn + `","Code":"AccessDeniedException","Message":"Invalid Request: no task IAM role credentials available for task"}}`
	const undecodable = `{"error":{"Code":"InvalidParameterException","Message":"UpdateTaskProtection: failed to decode request"}}`
	const incomplete = `{"error":{"Arn":"` + arn + `","Code":"InvalidParameterException","Message":"Invalid request: does not contain 'ProtectionEnabled' field"}}`
	const ok = `{"protection":{"ExpirationDate":null,"ProtectionEnabled":false,"TaskArn":null}}`
	for _, test := range []struct {
		name, method, id, body string
		status                 int
		want, call             string
	}{
		{"get", "GET", "eid", "", 200, ok, "get AKSKST cluster " + arn},
		{"get ignores the body", "GET", "eid", "junk", 200, ok, "get AKSKST cluster " + arn},
		{"enable for an hour", "PUT", "eid", `{"ProtectionEnabled":true,"ExpiresInMinutes":60}`, 200, ok, "update AK cluster " + arn + " true 60"},
		{"the service judges the minutes", "PUT", "eid", `{"ProtectionEnabled":true,"ExpiresInMinutes":-1}`, 200, ok, "update AK cluster " + arn + " true -1"},
		{"enable", "PUT", "eid", `{"ProtectionEnabled":true} {"more":1}`, 200, ok, "update AK cluster " + arn + " true -"},
		{"disable", "PUT", "eid", `{"ProtectionEnabled":false}`, 200, ok, "update AK cluster " + arn + " false -"},
		{"wrong type", "PUT", "eid", `{"ProtectionEnabled":true,"ExpiresInMinutes":"bad"}`, 400, undecodable, ""},
		{"unknown field", "PUT", "eid", `{"ProtectionEnabled":true,"X":1}`, 400, undecodable, ""},
		{"too many minutes to count", "PUT", "eid", `{"ProtectionEnabled":true,"ExpiresInMinutes":4294967297}`, 400, undecodable, ""},
		{"no JSON", "PUT", "eid", `yes`, 400, undecodable, ""},
		{"empty", "PUT", "eid", ``, 400, undecodable, ""},
		{"decoding comes before the look-up", "PUT", "nope", ``, 400, undecodable, ""},
		{"look-up comes before the check of the fields", "PUT", "nope", `{}`, 404, notFound, ""},
		{"field missing", "PUT", "no-role", `{}`, 400, incomplete, ""},
		{"field null", "PUT", "eid", `null`, 400, incomplete, ""},
		{"unknown id", "GET", "nope", "", 404, notFound, ""},
		{"not created yet", "GET", "not-created", "", 404, notFound, ""},
		{"no role: the execution role is no substitute", "GET", "no-role", "", 403, denied, ""},
		{"role not received yet", "PUT", "not-yet", `{"ProtectionEnabled":true}`, 403, denied, ""},
		{"another method", "POST", "eid", "", 405, "", ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := &service{result: ecsapi.ProtectionResult{Protected: []ecsapi.ProtectedTask{{}}}}
			w := call(s, test.method, test.id, test.body)
			if diff := cmp.Diff(test.want, w.Body.String()); diff != "" || w.Code != test.status {
				t.Errorf("%d\n%s", w.Code, diff)
			}
			if got := strings.Join(s.calls, "\n"); got != test.call {
				t.Errorf("called %q, want %q", got, test.call)
			}
		})
	}
}

func TestAnswersOfTheService(t *testing.T) {
	id, reason := arn, "DEPLOYMENT_BLOCKED"
	expires := time.Date(2025, 3, 4, 6, 6, 7, 0, time.UTC)
	protected := ecsapi.ProtectedTask{TaskARN: &id, Enabled: true, Expires: &expires}
	refused := ecsapi.ProtectionFailure{ARN: &id, Reason: &reason}
	failed := func(code, message string) string {
		return `{"error":{"Arn":"` + arn + `","Code":"` + code + `","Message":"` + message + `"}}`
	}
	answered := func(code string, status int, requestID string) error {
		return fmt.Errorf("call: %w", &ecsapi.Error{APIError: &awsclient.APIError{Code: code, Message: "ecs error message", Status: status, RequestID: requestID}})
	}
	for _, test := range []struct {
		name   string
		result ecsapi.ProtectionResult
		err    error
		status int
		want   string
	}{
		{"protected", ecsapi.ProtectionResult{Protected: []ecsapi.ProtectedTask{protected}}, nil, 200, `{"protection":{"ExpirationDate":"2025-03-04T06:06:07Z","ProtectionEnabled":true,"TaskArn":"` + arn + `"}}`},
		{"not protected", ecsapi.ProtectionResult{Protected: []ecsapi.ProtectedTask{{TaskARN: &id}}}, nil, 200, `{"protection":{"ExpirationDate":null,"ProtectionEnabled":false,"TaskArn":"` + arn + `"}}`},
		{"a failure", ecsapi.ProtectionResult{Failures: []ecsapi.ProtectionFailure{refused}}, nil, 200, `{"failure":{"Arn":"` + arn + `","Detail":null,"Reason":"DEPLOYMENT_BLOCKED"}}`},
		{"two failures", ecsapi.ProtectionResult{Failures: []ecsapi.ProtectionFailure{refused, refused}}, nil, 500, failed("ServerException", "Unexpected error occurred")},
		{"two tasks", ecsapi.ProtectionResult{Protected: []ecsapi.ProtectedTask{protected, protected}}, nil, 500, failed("ServerException", "Unexpected error occurred")},
		{"nothing", ecsapi.ProtectionResult{}, nil, 500, failed("ServerException", "Unexpected error occurred")},
		{"access denied", ecsapi.ProtectionResult{}, answered("AccessDeniedException", 400, "reqid"), 400, `{"requestID":"reqid",` + failed("AccessDeniedException", "ecs error message")[1:]},
		{"server error without request id", ecsapi.ProtectionResult{}, answered("ServerException", 500, ""), 500, `{"requestID":"",` + failed("ServerException", "ecs error message")[1:]},
		{"error without an HTTP answer", ecsapi.ProtectionResult{}, answered("InvalidParameterException", 0, ""), 500, failed("InvalidParameterException", "ecs error message")},
		{"other error", ecsapi.ProtectionResult{}, errors.New("some error"), 500, failed("ServerException", "some error")},
		{"cancelled", ecsapi.ProtectionResult{}, context.Canceled, 504, failed("RequestCanceled", "Timed out calling ECS Task Protection API")},
	} {
		t.Run(test.name, func(t *testing.T) {
			w := call(&service{result: test.result, err: test.err}, "GET", "eid", "")
			if diff := cmp.Diff(test.want, w.Body.String()); diff != "" || w.Code != test.status || w.Header().Get("Content-Type") != "application/json" {
				t.Errorf("%d %v\n%s", w.Code, w.Header(), diff)
			}
		})
	}
}

func TestTheServiceHasFourSeconds(t *testing.T) {
	for _, method := range []string{"GET", "PUT"} {
		synctest.Test(t, func(t *testing.T) {
			start := time.Now()
			w := call(&service{hang: true}, method, "eid", `{"ProtectionEnabled":true}`)
			if w.Code != 504 || time.Since(start) != 4*time.Second {
				t.Errorf("%d after %v", w.Code, time.Since(start))
			}
		})
	}
}

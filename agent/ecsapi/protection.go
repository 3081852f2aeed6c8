package ecsapi

import (
	"context"
	"time"

	"github.com/aws/amazon-ecs-agent/agent/awsclient"
)

// ProtectionResult is the answer of both task protection calls. The service answers for each task with one or the other.
type ProtectionResult struct {
	Protected []ProtectedTask
	Failures  []ProtectionFailure
}

// ProtectedTask says whether a task is protected from scale-in. Members the service left out are nil.
type ProtectedTask struct {
	TaskARN *string
	Enabled bool
	Expires *time.Time
}

// ProtectionFailure says why the service did not answer for a task. Members the service left out are nil.
type ProtectionFailure struct {
	ARN    *string `json:"arn"`
	Reason *string `json:"reason"`
	Detail *string `json:"detail"`
}

// ProtectionUpdate asks for or ends the protection of a task.
type ProtectionUpdate struct {
	Cluster, TaskARN string
	Enabled          bool
	// ExpiresInMinutes nil leaves the duration to the service.
	ExpiresInMinutes *int32
}

// GetTaskProtection asks whether a task is protected. role holds the credentials of the task role, which sign the call.
func (c *Client) GetTaskProtection(ctx context.Context, role awsclient.Credentials, cluster, taskARN string) (ProtectionResult, error) {
	return c.protection(ctx, role, "GetTaskProtection", struct {
		Cluster string   `json:"cluster"`
		Tasks   []string `json:"tasks"`
	}{cluster, []string{taskARN}})
}

// UpdateTaskProtection changes the protection of a task. role holds the credentials of the task role, which sign the call.
func (c *Client) UpdateTaskProtection(ctx context.Context, role awsclient.Credentials, u ProtectionUpdate) (ProtectionResult, error) {
	return c.protection(ctx, role, "UpdateTaskProtection", struct {
		Cluster          string   `json:"cluster"`
		Tasks            []string `json:"tasks"`
		Enabled          bool     `json:"protectionEnabled"`
		ExpiresInMinutes *int32   `json:"expiresInMinutes,omitempty"`
	}{u.Cluster, []string{u.TaskARN}, u.Enabled, u.ExpiresInMinutes})
}

func (c *Client) protection(ctx context.Context, role awsclient.Credentials, op string, in any) (ProtectionResult, error) {
	var out struct {
		ProtectedTasks []struct {
			TaskARN *string `json:"taskArn"`
			Enabled bool    `json:"protectionEnabled"`
			Expires *epoch  `json:"expirationDate"`
		} `json:"protectedTasks"`
		Failures []ProtectionFailure `json:"failures"`
	}
	err := classify(c.api.Call(ctx, awsclient.Call{
		Operation: op, In: in, Out: &out, Retries: c.standard, Credentials: awsclient.StaticCredentials(role),
	}))
	if err != nil {
		return ProtectionResult{}, err
	}
	r := ProtectionResult{Failures: out.Failures}
	for _, t := range out.ProtectedTasks {
		r.Protected = append(r.Protected, ProtectedTask{t.TaskARN, t.Enabled, (*time.Time)(t.Expires)})
	}
	return r, nil
}

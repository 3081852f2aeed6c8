package acs

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/aws/amazon-ecs-agent/agent/wsconn"
)

// ErrorTypes are the errors ACS sends, in an answer to a connect or as a message.
var ErrorTypes = []string{
	"ServerException", "BadRequestException", "InvalidClusterException",
	"InvalidInstanceException", "AccessDeniedException", inactiveInstance,
}

// inactiveInstance is the error for an instance that has been deregistered.
const inactiveInstance = "InactiveInstanceException"

// Messages to the agent. Every member is optional on the wire; members the agent has no use for are left out.
type (
	heartbeatMessage struct {
		MessageID string `json:"messageId"`
	}

	payloadMessage struct {
		MessageID            string      `json:"messageId"`
		ClusterARN           string      `json:"clusterArn"`
		ContainerInstanceARN string      `json:"containerInstanceArn"`
		SeqNum               *int64      `json:"seqNum"`
		Tasks                []*wireTask `json:"tasks"`

		receivedAt time.Time
	}

	credentialsMessage struct {
		MessageID   string           `json:"messageId"`
		TaskARN     string           `json:"taskArn"`
		RoleType    string           `json:"roleType"`
		Credentials *wireCredentials `json:"roleCredentials"`
	}

	attachTaskENIMessage struct {
		MessageID            string     `json:"messageId"`
		ClusterARN           string     `json:"clusterArn"`
		ContainerInstanceARN string     `json:"containerInstanceArn"`
		TaskARN              string     `json:"taskArn"`
		TaskClusterARN       string     `json:"taskClusterArn"`
		WaitTimeoutMS        int64      `json:"waitTimeoutMs"`
		ENIs                 []*wireENI `json:"elasticNetworkInterfaces"`
	}

	attachInstanceENIMessage struct {
		MessageID            string     `json:"messageId"`
		ClusterARN           string     `json:"clusterArn"`
		ContainerInstanceARN string     `json:"containerInstanceArn"`
		WaitTimeoutMS        int64      `json:"waitTimeoutMs"`
		ENIs                 []*wireENI `json:"elasticNetworkInterfaces"`
	}

	confirmAttachmentMessage struct {
		MessageID            string          `json:"messageId"`
		ClusterARN           string          `json:"clusterArn"`
		ContainerInstanceARN string          `json:"containerInstanceArn"`
		TaskARN              string          `json:"taskArn"`
		TaskClusterARN       string          `json:"taskClusterArn"`
		WaitTimeoutMS        int64           `json:"waitTimeoutMs"`
		Attachment           *wireAttachment `json:"attachment"`
	}

	taskManifestMessage struct {
		MessageID            string            `json:"messageId"`
		ClusterARN           string            `json:"clusterArn"`
		ContainerInstanceARN string            `json:"containerInstanceArn"`
		Timeline             *int64            `json:"timeline"`
		Tasks                []*taskIdentifier `json:"tasks"`
	}

	taskStopVerificationAck struct {
		MessageID string            `json:"messageId"`
		StopTasks []*taskIdentifier `json:"stopTasks"`
	}

	stageUpdateMessage   struct{ updateMessage }
	performUpdateMessage struct{ updateMessage }
	updateMessage        struct {
		MessageID            string      `json:"messageId"`
		ClusterARN           string      `json:"clusterArn"`
		ContainerInstanceARN string      `json:"containerInstanceArn"`
		Info                 *updateInfo `json:"updateInfo"`
	}
	updateInfo struct {
		Location  *string `json:"location"`
		Signature *string `json:"signature"`
	}

	// noticeMessage is an error or a word of farewell; it is only logged.
	noticeMessage struct {
		Message string `json:"message"`
	}
)

// taskIdentifier names a task in manifests and stop verifications, in both directions.
type taskIdentifier struct {
	TaskARN        string `json:"taskArn,omitempty"`
	TaskClusterARN string `json:"taskClusterArn,omitempty"`
	DesiredStatus  string `json:"desiredStatus,omitempty"`
}

// wireCredentials are IAMRoleCredentials. The type has no way to print itself but its id: see redact.go.
type wireCredentials struct {
	CredentialsID   string `json:"credentialsId"`
	RoleARN         string `json:"roleArn"`
	AccessKeyID     string `json:"accessKeyId"`
	SecretAccessKey string `json:"secretAccessKey"`
	SessionToken    string `json:"sessionToken"`
	Expiration      string `json:"expiration"`
}

// Messages from the agent; unset members are left out.
type (
	ackRequest struct {
		Cluster           string `json:"cluster,omitempty"`
		ContainerInstance string `json:"containerInstance,omitempty"`
		MessageID         string `json:"messageId,omitempty"`
	}

	nackRequest struct {
		Cluster           string `json:"cluster,omitempty"`
		ContainerInstance string `json:"containerInstance,omitempty"`
		MessageID         string `json:"messageId,omitempty"`
		Reason            string `json:"reason,omitempty"`
	}

	heartbeatAck struct {
		MessageID string `json:"messageId,omitempty"`
	}

	credentialsAck struct {
		MessageID     string `json:"messageId,omitempty"`
		Expiration    string `json:"expiration,omitempty"`
		CredentialsID string `json:"credentialsId,omitempty"`
	}

	taskStopVerificationMessage struct {
		MessageID      string           `json:"messageId,omitempty"`
		StopCandidates []taskIdentifier `json:"stopCandidates,omitempty"`
	}
)

// received is a decoded message of a known type.
type received struct {
	kind string // the type's name on the wire
	body any    // one of the pointers made by kinds
	// empty is set when the message member was null; body is then the zero message.
	empty bool
	size  int // bytes on the wire
	at    time.Time
}

// kinds makes an empty message of each known type.
var kinds = map[string]func() any{
	"HeartbeatMessage":                       func() any { return new(heartbeatMessage) },
	"PayloadMessage":                         func() any { return new(payloadMessage) },
	"IAMRoleCredentialsMessage":              func() any { return new(credentialsMessage) },
	"AttachTaskNetworkInterfacesMessage":     func() any { return new(attachTaskENIMessage) },
	"AttachInstanceNetworkInterfacesMessage": func() any { return new(attachInstanceENIMessage) },
	"ConfirmAttachmentMessage":               func() any { return new(confirmAttachmentMessage) },
	"TaskManifestMessage":                    func() any { return new(taskManifestMessage) },
	"TaskStopVerificationAck":                func() any { return new(taskStopVerificationAck) },
	"StageUpdateMessage":                     func() any { return new(stageUpdateMessage) },
	"PerformUpdateMessage":                   func() any { return new(performUpdateMessage) },
	"CloseMessage":                           func() any { return new(noticeMessage) },
	"ErrorMessage":                           func() any { return new(noticeMessage) },
}

func init() {
	for _, t := range ErrorTypes {
		kinds[t] = func() any { return new(noticeMessage) }
	}
}

// decode reads one incoming message. The error of what cannot be read shows nothing that might be a secret.
func decode(data []byte) (received, error) {
	m, err := wsconn.Decode(data, ErrorTypes)
	if m.Type != "" && kinds[m.Type] == nil {
		//lint:ignore ST1005 the text is part of the contract
		return received{}, fmt.Errorf("Could not recognize given argument as a valid type: %s", excerpt([]byte(m.Type)))
	}
	if errors.Is(err, wsconn.ErrFormat) {
		return received{}, fmt.Errorf("%w: %s", err, excerpt(data))
	}
	if err != nil {
		return received{}, fmt.Errorf("could not decode %s: %w", m.Type, err)
	}
	r := received{kind: m.Type, body: kinds[m.Type](), empty: string(m.Body) == "null", size: len(data)}
	if err := json.Unmarshal(m.Body, r.body); err != nil {
		return received{}, fmt.Errorf("could not decode %s: %w", m.Type, err)
	}
	return r, nil
}

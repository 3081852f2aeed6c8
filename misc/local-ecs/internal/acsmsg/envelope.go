// Package acsmsg holds the messages of the agent communication service (ACS) that local-ecs sends and understands: one
// JSON object {"type": …, "message": {…}} for each websocket text frame.
package acsmsg

import (
	"encoding/json"
	"fmt"
)

// Envelope is a frame taken apart.
type Envelope struct {
	Type    string          `json:"type"`
	Message json.RawMessage `json:"message"`
}

// Encode makes a frame of a message; its Go type name is the name on the wire.
func Encode(kind string, message any) ([]byte, error) {
	return json.Marshal(struct {
		Type    string `json:"type"`
		Message any    `json:"message"`
	}{kind, message})
}

// Decode takes a frame apart.
func Decode(frame []byte) (Envelope, error) {
	var e Envelope
	if err := json.Unmarshal(frame, &e); err != nil {
		return e, fmt.Errorf("not an ACS message: %w", err)
	}
	if e.Type == "" {
		return e, fmt.Errorf("ACS message without type")
	}
	return e, nil
}

// Names of the messages.
const (
	TypeHeartbeat           = "HeartbeatMessage"
	TypePayload             = "PayloadMessage"
	TypeCredentials         = "IAMRoleCredentialsMessage"
	TypeManifest            = "TaskManifestMessage"
	TypeStopVerificationAck = "TaskStopVerificationAck"
	TypeClose               = "CloseMessage"
	TypeAttachENI           = "AttachTaskNetworkInterfacesMessage"
	TypeAttachInstanceENI   = "AttachInstanceNetworkInterfacesMessage"

	TypeAck              = "AckRequest"
	TypeNack             = "NackRequest"
	TypeHeartbeatAck     = "HeartbeatAckRequest"
	TypeCredentialsAck   = "IAMRoleCredentialsAckRequest"
	TypeStopVerification = "TaskStopVerificationMessage"
)

// Role types of credentials.
const (
	RoleTask      = "TaskApplication"
	RoleExecution = "TaskExecution"
)

type (
	// Heartbeat asks for a sign of life.
	Heartbeat struct {
		MessageID string `json:"messageId"`
		Healthy   bool   `json:"healthy"`
	}
	// Payload brings tasks to start and to stop.
	Payload struct {
		MessageID            string `json:"messageId"`
		ClusterArn           string `json:"clusterArn"`
		ContainerInstanceArn string `json:"containerInstanceArn"`
		GeneratedAt          int64  `json:"generatedAt"` // ms since the epoch
		SeqNum               int64  `json:"seqNum"`
		Tasks                []Task `json:"tasks"`
	}
	// Credentials renews the credentials of one role of a task.
	Credentials struct {
		MessageID       string           `json:"messageId"`
		TaskArn         string           `json:"taskArn"`
		TaskClusterArn  string           `json:"taskClusterArn"`
		RoleType        string           `json:"roleType"`
		RoleCredentials *RoleCredentials `json:"roleCredentials"`
	}
	// RoleCredentials are temporary credentials of a role.
	RoleCredentials struct {
		CredentialsID   string `json:"credentialsId"`
		RoleArn         string `json:"roleArn"`
		AccessKeyID     string `json:"accessKeyId"`
		SecretAccessKey string `json:"secretAccessKey"`
		SessionToken    string `json:"sessionToken"`
		Expiration      string `json:"expiration"` // RFC 3339; the agent echoes it
	}
	// Manifest lists all tasks the service knows on the instance.
	Manifest struct {
		MessageID            string           `json:"messageId"`
		ClusterArn           string           `json:"clusterArn"`
		ContainerInstanceArn string           `json:"containerInstanceArn"`
		GeneratedAt          int64            `json:"generatedAt"`
		Timeline             int64            `json:"timeline"`
		Tasks                []TaskIdentifier `json:"tasks"`
	}
	// TaskIdentifier is a task with the status wanted for it.
	TaskIdentifier struct {
		TaskArn        string `json:"taskArn"`
		TaskClusterArn string `json:"taskClusterArn"`
		DesiredStatus  string `json:"desiredStatus"`
	}
	// StopVerificationAck names the stop candidates that must really stop.
	StopVerificationAck struct {
		MessageID   string           `json:"messageId"`
		GeneratedAt int64            `json:"generatedAt"`
		StopTasks   []TaskIdentifier `json:"stopTasks"`
	}
	// AttachENI announces a network interface that will come: of a task, or, without the members about one, of the instance.
	AttachENI struct {
		MessageID                string `json:"messageId"`
		ClusterArn               string `json:"clusterArn"`
		ContainerInstanceArn     string `json:"containerInstanceArn"`
		TaskArn                  string `json:"taskArn,omitempty"`
		TaskClusterArn           string `json:"taskClusterArn,omitempty"`
		GeneratedAt              int64  `json:"generatedAt"`
		WaitTimeoutMs            int64  `json:"waitTimeoutMs"`
		ElasticNetworkInterfaces []ENI  `json:"elasticNetworkInterfaces"`
	}
	// Close announces that the service will close the connection.
	Close struct {
		Message string `json:"message"`
	}
)

type (
	// Ack tells that a message was handled.
	Ack struct {
		Cluster           string `json:"cluster"`
		ContainerInstance string `json:"containerInstance"`
		MessageID         string `json:"messageId"`
	}
	// Nack tells that an update was refused.
	Nack struct {
		Ack
		Reason string `json:"reason"`
	}
	// HeartbeatAck is the sign of life.
	HeartbeatAck struct {
		MessageID string `json:"messageId"`
	}
	// CredentialsAck tells that credentials are in use.
	CredentialsAck struct {
		MessageID     string `json:"messageId"`
		Expiration    string `json:"expiration"`
		CredentialsID string `json:"credentialsId"`
	}
	// StopVerification lists running tasks the manifest did not have.
	StopVerification struct {
		MessageID      string           `json:"messageId"`
		StopCandidates []TaskIdentifier `json:"stopCandidates"`
	}
)

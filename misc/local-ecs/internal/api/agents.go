package api

import (
	"encoding/json"
	"net/http"

	"github.com/aws/amazon-ecs-agent/misc/local-ecs/internal/control"
	"github.com/aws/amazon-ecs-agent/misc/local-ecs/internal/ecs"
	"github.com/aws/amazon-ecs-agent/misc/local-ecs/internal/state"
)

type registerContainerInstanceInput struct {
	Cluster                  string               `json:"cluster"`
	ContainerInstanceArn     string               `json:"containerInstanceArn"`
	Attributes               []ecs.Attribute      `json:"attributes"`
	TotalResources           []ecs.Resource       `json:"totalResources"`
	PlatformDevices          []ecs.PlatformDevice `json:"platformDevices"`
	Tags                     []ecs.Tag            `json:"tags"`
	InstanceIdentityDocument string               `json:"instanceIdentityDocument"`
	ClientToken              string               `json:"clientToken"`
	VersionInfo              ecs.VersionInfo      `json:"versionInfo"`
}

func registerContainerInstance(a *API, _ *http.Request, in *registerContainerInstanceInput) (any, error) {
	for _, at := range in.Attributes {
		if !attributeRule.MatchString(at.Name) || len(at.Value) > 128 {
			return nil, ecs.InvalidParameter("Invalid 'attributes' name or value: '%s' = '%s'.", at.Name, at.Value)
		}
	}
	for _, r := range in.TotalResources {
		if r.Name == "" || r.Type != "INTEGER" && r.Type != "STRINGSET" && r.Type != "LONG" && r.Type != "DOUBLE" {
			return nil, ecs.InvalidParameter("Invalid 'totalResources': name '%s', type '%s'.", r.Name, r.Type)
		}
	}
	if err := checkTags(in.Tags); err != nil {
		return nil, err
	}
	var out ecs.ContainerInstance
	err := a.Store.Update(func(tx *state.Tx) error {
		c, err := cluster(tx, in.Cluster)
		if err != nil {
			return err
		}
		i, err := a.Control.Register(tx, &control.Registration{
			Cluster:          c.ClusterName,
			InstanceArn:      in.ContainerInstanceArn,
			Attributes:       in.Attributes,
			Resources:        in.TotalResources,
			Devices:          in.PlatformDevices,
			Tags:             in.Tags,
			IdentityDocument: in.InstanceIdentityDocument,
			ClientToken:      in.ClientToken,
			Version:          in.VersionInfo,
		})
		if err != nil {
			return err
		}
		out = a.instanceView(tx, i, true, false)
		return nil
	})
	if err == nil {
		a.Log.Info("container instance registered", "instance", out.ContainerInstanceArn, "again", in.ContainerInstanceArn != "")
	}
	return map[string]any{"containerInstance": out}, err
}

// discoverPollEndpoint answers with addresses on the host the agent used for this call, so that it works through any
// name or forwarded port that reached us.
func discoverPollEndpoint(_ *API, r *http.Request, _ *struct{}) (any, error) {
	scheme := "http"
	if r.TLS != nil || r.Header.Get("X-Forwarded-Proto") == "https" {
		scheme = "https"
	}
	return map[string]string{
		"endpoint":          scheme + "://" + r.Host + "/acs/",
		"telemetryEndpoint": scheme + "://" + r.Host + "/tcs/",
	}, nil
}

func submitTaskStateChange(a *API, _ *http.Request, body []byte) (any, error) {
	var in ecs.TaskReport
	if err := decode(body, &in); err != nil {
		return nil, err
	}
	return a.submit("SubmitTaskStateChange", &in, body)
}

func submitContainerStateChange(a *API, _ *http.Request, body []byte) (any, error) {
	var in struct {
		Cluster string `json:"cluster"`
		Task    string `json:"task"`
		ecs.ContainerReport
	}
	if err := decode(body, &in); err != nil {
		return nil, err
	}
	report := &ecs.TaskReport{Cluster: in.Cluster, Task: in.Task, Containers: []ecs.ContainerReport{in.ContainerReport}}
	return a.submit("SubmitContainerStateChange", report, body)
}

func decode(body []byte, into any) error {
	if len(body) == 0 {
		return nil
	}
	if err := json.Unmarshal(body, into); err != nil {
		return serialization(err)
	}
	return nil
}

// submit applies a report. A report for a task the service has forgotten is acknowledged all the same: the agent must
// be able to let go of it.
func (a *API) submit(operation string, in *ecs.TaskReport, body []byte) (any, error) {
	outcome, err := a.apply(in)
	if a.Submissions != nil {
		text := string(outcome)
		if err != nil {
			text = err.Error()
		}
		a.Submissions.Add(a.Control.Now(), operation, text, body)
	}
	if err != nil {
		return nil, err
	}
	_, id, _ := ecs.LastPart("task", in.Task)
	level := a.Log.Info
	if outcome == control.Regression || outcome == control.Unknown {
		level = a.Log.Warn
	}
	level("task reported", "task", short(id), "status", in.Status, "containers", containerList(in), "reason", in.Reason, "outcome", outcome)
	return map[string]string{"acknowledgment": control.NewUUID()}, nil
}

func containerList(in *ecs.TaskReport) string {
	text := ""
	for _, c := range in.Containers {
		if text != "" {
			text += " "
		}
		text += c.ContainerName + "=" + c.Status
	}
	return text
}

func (a *API) apply(in *ecs.TaskReport) (outcome control.Outcome, err error) {
	if _, _, ok := ecs.LastPart("task", in.Task); !ok {
		return "", ecs.InvalidParameter("Invalid 'task': '%s' is not a task.", in.Task)
	}
	if err := oneOf("status", in.Status, ecs.Pending, ecs.Running, ecs.Stopped); err != nil {
		return "", err
	}
	for _, c := range in.Containers {
		if c.ContainerName == "" {
			return "", ecs.InvalidParameter("'containerName' should not be null or empty.")
		}
		if err := oneOf("containers.status", c.Status, ecs.Pending, ecs.Running, ecs.Stopped); err != nil {
			return "", err
		}
		if len(c.Reason) > 1024 || len(c.RuntimeID) > 255 || len(c.ImageDigest) > 255 {
			return "", ecs.InvalidParameter("Invalid container '%s': 'reason' may have 1024, 'runtimeId' and 'imageDigest' 255 characters.", c.ContainerName)
		}
	}
	if len(in.Reason) > 1024 {
		return "", ecs.InvalidParameter("Invalid 'reason': more than 1024 characters.")
	}
	err = a.Store.Update(func(tx *state.Tx) error {
		if _, err := cluster(tx, in.Cluster); err != nil {
			return err
		}
		outcome = a.Control.Report(tx, in)
		return nil
	})
	return outcome, err
}

func submitAttachmentStateChanges(a *API, _ *http.Request, body []byte) (any, error) {
	var in struct {
		Cluster     string                 `json:"cluster"`
		Attachments []ecs.AttachmentReport `json:"attachments"`
	}
	if err := decode(body, &in); err != nil {
		return nil, err
	}
	if len(in.Attachments) == 0 {
		return nil, ecs.InvalidParameter("'attachments' should not be null or empty.")
	}
	outcome := control.Repeated
	err := a.Store.Update(func(tx *state.Tx) error {
		if _, err := cluster(tx, in.Cluster); err != nil {
			return err
		}
		outcome = a.Control.ReportAttachments(tx, in.Attachments)
		return nil
	})
	if a.Submissions != nil {
		text := string(outcome)
		if err != nil {
			text = err.Error()
		}
		a.Submissions.Add(a.Control.Now(), "SubmitAttachmentStateChanges", text, body)
	}
	if err == nil {
		a.Log.Info("attachments of an instance reported", "attachments", len(in.Attachments), "outcome", outcome)
	}
	return map[string]string{"acknowledgment": control.NewUUID()}, err
}

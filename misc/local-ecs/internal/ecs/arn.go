package ecs

import "strings"

// Names makes the ARNs of one account in one region.
type Names struct {
	Partition string // "aws"
	Region    string
	Account   string
}

func (n Names) arn(kind string, parts ...string) string {
	return "arn:" + n.Partition + ":ecs:" + n.Region + ":" + n.Account + ":" + kind + "/" + strings.Join(parts, "/")
}

// Cluster returns the ARN of a cluster.
func (n Names) Cluster(name string) string { return n.arn("cluster", name) }

// Instance returns the ARN of a container instance.
func (n Names) Instance(cluster, id string) string { return n.arn("container-instance", cluster, id) }

// Task returns the ARN of a task.
func (n Names) Task(cluster, id string) string { return n.arn("task", cluster, id) }

// Container returns the ARN of a container of a task.
func (n Names) Container(cluster, task, id string) string {
	return n.arn("container", cluster, task, id)
}

// Attachment returns the ARN of an attachment.
func (n Names) Attachment(cluster, id string) string { return n.arn("attachment", cluster, id) }

// Service returns the ARN of a service.
func (n Names) Service(cluster, name string) string { return n.arn("service", cluster, name) }

// TaskDefinition returns the ARN of one revision, given as family:revision.
func (n Names) TaskDefinition(familyRevision string) string {
	return n.arn("task-definition", familyRevision)
}

// ARN is a parsed ECS ARN. Cluster is empty in the old short forms (task/ID) and for kinds without a cluster.
type ARN struct {
	Kind    string // cluster, task, container-instance, service, task-definition
	Cluster string
	Name    string // the last part
}

// ParseARN takes an ARN of the ecs service apart; ok is false when s is not one.
func ParseARN(s string) (arn ARN, ok bool) {
	parts := strings.SplitN(s, ":", 6)
	if len(parts) != 6 || parts[0] != "arn" || parts[2] != "ecs" {
		return ARN{}, false
	}
	path := strings.Split(parts[5], "/")
	switch {
	case len(path) == 2 && path[1] != "":
		return ARN{Kind: path[0], Name: path[1]}, true
	case len(path) == 3 && path[1] != "" && path[2] != "":
		return ARN{Kind: path[0], Cluster: path[1], Name: path[2]}, true
	}
	return ARN{}, false
}

// LastPart returns the id or name an operator may give either bare or as an ARN of the given kind.
func LastPart(kind, s string) (cluster, name string, ok bool) {
	if !strings.HasPrefix(s, "arn:") {
		return "", s, s != "" && !strings.ContainsAny(s, "/: ")
	}
	a, ok := ParseARN(s)
	if !ok || a.Kind != kind {
		return "", "", false
	}
	return a.Cluster, a.Name, true
}

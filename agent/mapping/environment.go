package mapping

import (
	"maps"
	"slices"

	"github.com/aws/amazon-ecs-agent/agent/logger"
	"github.com/aws/amazon-ecs-agent/agent/task"
)

// endpointAddress is where containers reach the agent's credentials and metadata server.
const endpointAddress = "http://169.254.170.2"

// CredentialsPath is the path of a role's credentials on that server.
func CredentialsPath(id string) string { return "/v2/credentials/" + id }

// taskVariables are the variables of the task definition.
func taskVariables(b *build) error {
	maps.Copy(b.env, b.c.Environment)
	return nil
}

// taskRoleVariable tells the SDKs in the container where the credentials of the task role are. After a restart of the
// agent the role is known although its credentials are still on their way.
func taskRoleVariable(b *build) error {
	id := b.task.CredentialsID
	if id == "" || pause(b.c) {
		return nil
	}
	if _, known := b.facts.Credentials.Get(id); !known {
		logger.Error("No credentials are held for the task's role; the container runs without", logger.F("taskARN", b.task.ARN),
			logger.F("containerName", b.c.Name), logger.CredentialsID(id))
		return nil
	}
	b.env["AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"] = CredentialsPath(id)
	return nil
}

// endpointVariables tell the container where its own metadata and the agent API are.
func endpointVariables(b *build) error {
	if pause(b.c) {
		return nil
	}
	b.env["ECS_CONTAINER_METADATA_URI"] = endpointAddress + "/v3/" + b.c.EndpointID
	b.env["ECS_CONTAINER_METADATA_URI_V4"] = endpointAddress + "/v4/" + b.c.EndpointID
	b.env["ECS_AGENT_URI"] = endpointAddress + "/api/" + b.c.EndpointID
	return nil
}

// regionVariableNames are set both or none.
var regionVariableNames = []string{"AWS_REGION", "AWS_DEFAULT_REGION"}

// regionVariables tell SDKs in the container the instance's region, unless the task or the image has an opinion.
func regionVariables(b *build) error {
	if b.facts.Region == "" || b.c.Type != task.Normal {
		return nil
	}
	for _, name := range regionVariableNames {
		if _, set := b.env[name]; set {
			return nil
		}
	}
	if b.facts.ImageSetsRegion(b.c) {
		return nil
	}
	for _, name := range regionVariableNames {
		b.env[name] = b.facts.Region
	}
	return nil
}

// sortedEnv gives KEY=VALUE in the order of the keys, so that equal tasks give equal requests.
func sortedEnv(env map[string]string) []string {
	var list []string
	for _, key := range slices.Sorted(maps.Keys(env)) {
		list = append(list, key+"="+env[key])
	}
	return list
}

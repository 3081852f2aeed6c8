package ecsapi

import "context"

// RegisterRequest registers this host as a container instance, or again when ContainerInstanceARN is set.
type RegisterRequest struct {
	Cluster              string           `json:"cluster"`
	ContainerInstanceARN string           `json:"containerInstanceArn,omitempty"`
	Attributes           []Attribute      `json:"attributes,omitempty"`
	Tags                 []Tag            `json:"tags,omitempty"`
	PlatformDevices      []PlatformDevice `json:"platformDevices,omitempty"`
	// IdentityDocument and IdentitySignature are sent even when empty.
	IdentityDocument  string     `json:"instanceIdentityDocument"`
	IdentitySignature string     `json:"instanceIdentityDocumentSignature"`
	Resources         []Resource `json:"totalResources"`
	// ClientToken makes repeated requests of one start count as one registration.
	ClientToken string `json:"clientToken"`
}

// Attribute of a container instance. A nil Value is not sent; an empty one is.
type Attribute struct {
	Name  string  `json:"name"`
	Value *string `json:"value,omitempty"`
}

// Named returns an attribute without a value.
func Named(name string) Attribute { return Attribute{Name: name} }

// NamedValue returns an attribute with a value, which may be empty.
func NamedValue(name, value string) Attribute { return Attribute{Name: name, Value: &value} }

// Text is the value, "" when there is none.
func (a Attribute) Text() string {
	if a.Value == nil {
		return ""
	}
	return *a.Value
}

// Tag of an ECS resource.
type Tag struct {
	Key   string `json:"key"`
	Value string `json:"value"`
}

// PlatformDevice is a device tasks can ask for; Type is "GPU".
type PlatformDevice struct {
	ID   string `json:"id"`
	Type string `json:"type"`
}

// Types of a [Resource].
const (
	IntegerResource   = "INTEGER"
	StringSetResource = "STRINGSET"
)

// Resource is something tasks use up. CPU is in units of 1/1024 core, memory in MiB, ports are decimal strings.
type Resource struct {
	Name string `json:"name"`
	Type string `json:"type"`
	// Integer 0 is not sent.
	Integer int32 `json:"integerValue,omitempty"`
	// StringSet is sent as [] when empty and not at all when nil.
	StringSet []string `json:"stringSetValue,omitzero"`
}

// ContainerInstance is what a registration returns.
type ContainerInstance struct {
	ARN        string      `json:"containerInstanceArn"`
	Attributes []Attribute `json:"attributes"`
}

// RegisterContainerInstance registers. It retries what a single call retries; longer retrying is the caller's.
func (c *Client) RegisterContainerInstance(ctx context.Context, r RegisterRequest) (ContainerInstance, error) {
	var out struct {
		ContainerInstance ContainerInstance `json:"containerInstance"`
	}
	err := c.call(ctx, "RegisterContainerInstance", c.standard, r, &out)
	return out.ContainerInstance, err
}

// CreateCluster creates a cluster and returns its name as the service writes it.
func (c *Client) CreateCluster(ctx context.Context, name string) (string, error) {
	in := struct {
		Name string `json:"clusterName"`
	}{name}
	var out struct {
		Cluster struct {
			Name string `json:"clusterName"`
		} `json:"cluster"`
	}
	err := c.call(ctx, "CreateCluster", c.standard, in, &out)
	return out.Cluster.Name, err
}

// DrainContainerInstance sets the container instance to DRAINING.
func (c *Client) DrainContainerInstance(ctx context.Context, cluster, containerInstanceARN string) error {
	return c.call(ctx, "UpdateContainerInstancesState", c.standard, struct {
		ContainerInstances []string `json:"containerInstances"`
		Status             string   `json:"status"`
		Cluster            string   `json:"cluster"`
	}{[]string{containerInstanceARN}, "DRAINING", cluster}, nil)
}

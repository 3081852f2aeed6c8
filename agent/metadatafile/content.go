package metadatafile

import (
	"encoding/json"

	"github.com/aws/amazon-ecs-agent/agent/task"
)

// content is the file, in the order of its members. Its form is public.
type content struct {
	Cluster                string        `json:",omitempty"`
	ContainerInstanceARN   string        `json:",omitempty"`
	TaskARN                string        `json:",omitempty"`
	TaskDefinitionFamily   string        `json:",omitempty"`
	TaskDefinitionRevision string        `json:",omitempty"`
	ContainerID            string        `json:",omitempty"`
	ContainerName          string        `json:",omitempty"`
	DockerContainerName    string        `json:",omitempty"`
	ImageID                string        `json:",omitempty"`
	ImageName              string        `json:",omitempty"`
	PortMappings           []portMapping `json:",omitempty"`
	Networks               []network     `json:",omitempty"`
	MetadataFileStatus     string        `json:",omitempty"`
	AvailabilityZone       string        `json:",omitempty"`
	HostPrivateIPv4Address string        `json:",omitempty"`
	HostPublicIPv4Address  string        `json:",omitempty"`
	HostIPv6Address        string        `json:",omitempty"`
}

type portMapping struct {
	ContainerPort      uint16
	ContainerPortRange string
	HostPort           uint16
	BindIP             string `json:"BindIp"`
	Protocol           string
}

type network struct {
	NetworkMode string
	// IPv4Addresses has one element, which is empty without an address of its own.
	IPv4Addresses []string
	IPv6Addresses []string `json:",omitempty"`
}

// ready is what readers wait for in MetadataFileStatus.
const ready = "READY"

// describe is what is known before the container exists.
func (f *Files) describe(t *task.Task, c *task.Container) content {
	f.mu.Lock()
	in := f.instance
	f.mu.Unlock()
	return content{
		Cluster: in.Cluster, ContainerInstanceARN: in.ARN,
		TaskARN: t.ARN, TaskDefinitionFamily: t.Family, TaskDefinitionRevision: t.Revision, ContainerName: c.Name,
		AvailabilityZone: in.AvailabilityZone, HostPrivateIPv4Address: in.PrivateIPv4, HostPublicIPv4Address: in.PublicIPv4,
		HostIPv6Address: in.IPv6,
	}
}

// complete adds what Docker says about the running container.
func (file content) complete(c *task.Container, s *task.ContainerState) content {
	file.ContainerID, file.DockerContainerName = s.RuntimeID, "/"+s.Name
	file.ImageID, file.ImageName = s.ImageID, c.Image
	for _, b := range s.Bindings {
		file.PortMappings = append(file.PortMappings, portMapping{
			ContainerPort: b.ContainerPort, HostPort: b.HostPort, BindIP: b.BindIP, Protocol: b.Protocol.String()})
	}
	networks := s.Networks
	if len(networks) == 0 {
		networks = []task.Network{{Name: s.NetworkMode}}
	}
	for _, n := range networks {
		entry := network{NetworkMode: n.Name, IPv4Addresses: []string{n.IPv4}}
		if n.IPv6 != "" {
			entry.IPv6Addresses = []string{n.IPv6}
		}
		file.Networks = append(file.Networks, entry)
	}
	file.MetadataFileStatus = ready
	return file
}

func (file content) encode() ([]byte, error) { return json.MarshalIndent(file, "", "\t") }

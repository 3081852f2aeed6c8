package registration

import (
	"slices"

	"github.com/aws/amazon-ecs-agent/agent/config"
)

// Facts is everything the capabilities of the host depend on.
type Facts struct {
	Config *config.Config
	// DockerAPIVersions are the supported versions of the Docker Engine API ("1.24"), ascending, including the old ones a
	// newer daemon refuses by number but serves by function.
	DockerAPIVersions []string
	// LegacyPlugins and ManagedPlugins are the names of Docker volume plug-ins, the latter with their tags.
	LegacyPlugins, ManagedPlugins []string
	// PauseImageLoaded says that Docker has the pause image.
	PauseImageLoaded bool
	// CPUFlags are the features of the CPU as the kernel names them.
	CPUFlags []string
	// GPU is nil without GPU support.
	GPU *GPU
	// VPCENIVersion and BranchENIVersion are the versions of the network plug-ins, "" when they could not be asked.
	VPCENIVersion, BranchENIVersion string
	// VPC is where the instance is.
	VPC VPC
	// ExecUsable: a complete exec agent is installed. ServiceConnectLoaded: its image is in Docker. EBSDriverPresent: the
	// image file of the EBS driver exists. FaultInjectionUsable: the tools for network faults work.
	ExecUsable, ServiceConnectLoaded, EBSDriverPresent, FaultInjectionUsable bool
}

// GPU is what ecs-init found out about the GPUs of the host.
type GPU struct {
	DriverVersion string
	IDs           []string
}

func (f *Facts) docker(version string) bool { return slices.Contains(f.DockerAPIVersions, version) }

package app

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"

	"github.com/aws/amazon-ecs-agent/agent/awsapi"
	"github.com/aws/amazon-ecs-agent/agent/mapping"
	"github.com/aws/amazon-ecs-agent/agent/resource"
	"github.com/aws/amazon-ecs-agent/agent/resource/envfile"
	"github.com/aws/amazon-ecs-agent/agent/resource/firelens"
	"github.com/aws/amazon-ecs-agent/agent/resource/secret"
	"github.com/aws/amazon-ecs-agent/agent/resource/volume"
	"github.com/aws/amazon-ecs-agent/agent/task"
)

// resources are the crafts of task resources, and what containers are created with.
type resources struct {
	kinds    resource.Kinds
	secrets  *secret.Vault
	envfiles *envfile.Craft
}

// newResources gives the crafts of task resources. In the order of kinds a task's resources are planned.
func (a *agent) newResources(instanceID func() string) resources {
	r := resources{
		secrets: &secret.Vault{},
		envfiles: &envfile.Craft{
			Dir: filepath.Join(a.cfg.DataDir, "envfiles"), Cluster: a.cfg.Cluster, Region: a.cfg.AWSRegion, Objects: a.aws, Roles: &a.roles,
		},
	}
	limits := resource.Kinds{{Name: task.ResourceCgroup, Craft: a.newLimits()}}
	r.kinds = slices.Concat(limits, secret.Kinds(a.aws, &a.roles, r.secrets), resource.Kinds{
		{Name: task.ResourceDockerVolume, Craft: &volume.Craft{
			Docker: a.docker, MatchFullConfig: a.cfg.SharedVolumeMatchFullConfig, Name: mapping.VolumeName,
			FileSystems: volume.FileSystems{
				Region: a.cfg.AWSRegion, Plugin: slices.Contains(a.cfg.VolumePluginCapabilities, "efsAuth"), CredentialsPath: mapping.CredentialsPath,
			},
		}},
		{Name: task.ResourceFirelens, Craft: &firelens.Craft{
			Dir: filepath.Join(a.cfg.DataDir, "firelens"), HostDir: filepath.Join(a.cfg.DataDirOnHost, "data", "firelens"),
			Cluster: a.cfg.Cluster, InstanceID: instanceID, Region: a.cfg.AWSRegion, Objects: a.aws, Roles: &a.roles,
		}},
		{Name: task.ResourceEnvFiles, Craft: r.envfiles},
	})
	return r
}

// newCalls gives the calls to AWS services that tasks need.
func (a *agent) newCalls() *awsapi.Calls {
	options := a.clientOptions()
	return &awsapi.Calls{HTTP: options.HTTP, UserAgent: options.UserAgent, DualStack: options.DualStack, FIPSHost: fipsHost()}
}

// fipsHost reports whether the kernel's cryptography is in FIPS mode.
func fipsHost() bool {
	mode, err := os.ReadFile("/proc/sys/crypto/fips_enabled")
	return err == nil && string(bytes.TrimSpace(mode)) == "1"
}

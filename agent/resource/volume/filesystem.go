package volume

import (
	"encoding/json"
	"fmt"
	"maps"
	"strconv"
	"strings"

	"github.com/aws/amazon-ecs-agent/agent/awsclient"
	"github.com/aws/amazon-ecs-agent/agent/logger"
	"github.com/aws/amazon-ecs-agent/agent/task"
)

// FileSystems says how Amazon EFS and Amazon S3 Files are mounted.
type FileSystems struct {
	Region string // of the instance
	// Plugin is set where ecs-init's volume plugin mounts EFS ("efsAuth" in ECS_VOLUME_PLUGIN_CAPABILITIES). Without it
	// Docker mounts EFS as NFS, without encryption, access points or roles.
	Plugin bool
	// CredentialsPath is the path of a role's credentials on the agent's endpoint.
	CredentialsPath func(id string) string
}

// What has to be asked for by exactly this word.
const enabled = "ENABLED"

// fileSystemConfig is the configuration of a volume of EFS, and of S3 Files in the same form.
type fileSystemConfig struct {
	ID            string `json:"fileSystemId"`
	Root          string `json:"rootDirectory"`
	Encryption    string `json:"transitEncryption"`
	Port          int64  `json:"transitEncryptionPort"`
	Authorization struct {
		AccessPoint string `json:"accessPointId"`
		IAM         string `json:"iam"`
	} `json:"authorizationConfig"`
}

func fileSystem(v *task.Volume) bool {
	return v.Type == task.VolumeEFS || v.Type == task.VolumeS3Files
}

// configure makes a Docker volume of the volume of a file system. Others, and one that is a Docker volume already, stay
// as they are.
func (f *FileSystems) configure(t *task.Task, v *task.Volume) error {
	if !fileSystem(v) || v.Docker != nil {
		return nil
	}
	var config fileSystemConfig
	if err := json.Unmarshal(v.Config, &config); err != nil {
		return fmt.Errorf("task volume: volume configuration does not match the type '%s'", v.Type)
	}
	d := &task.DockerVolume{Scope: task.ScopeTask, Driver: task.DriverECS}
	if v.Type == task.VolumeEFS && !f.Plugin {
		if config.Encryption == enabled || config.Authorization.IAM == enabled || config.Authorization.AccessPoint != "" {
			logger.Warn("The volume is mounted without encryption, access point and role: they take the ECS volume plugin, which ecs-init sets up",
				logger.F("taskARN", t.ARN), logger.F("volume", v.Name))
		}
		d.Driver = "local"
		d.DriverOpts = map[string]string{"type": "nfs", "device": ":" + config.Root, "o": f.nfsOptions(config.ID)}
		if !awsclient.KnownRegion(f.Region) {
			logger.Warn("The region is in no partition of AWS that is known; the address of the file system is a guess",
				logger.F("taskARN", t.ARN), logger.F("volume", v.Name), logger.F("region", f.Region), logger.F("domain", awsclient.RegionSuffix(f.Region, false)))
		}
	} else {
		d.DriverOpts = map[string]string{"type": v.Type, "device": config.device(), "o": strings.Join(f.options(t, &config), ",")}
	}
	v.Docker, v.Config = d, nil
	return nil
}

func (f *FileSystems) nfsOptions(id string) string {
	return fmt.Sprintf("addr=%s.efs.%s.%s,nfsvers=4.1,rsize=1048576,wsize=1048576,hard,timeo=600,retrans=2,noresvport",
		id, f.Region, awsclient.RegionSuffix(f.Region, false))
}

func (c *fileSystemConfig) device() string {
	if c.Root == "" {
		return c.ID
	}
	return c.ID + ":" + c.Root
}

// options for the mount helper of the EFS utilities, in the order of the contract.
func (f *FileSystems) options(t *task.Task, c *fileSystemConfig) []string {
	var list []string
	if c.Encryption == enabled {
		list = append(list, "tls")
	}
	if c.Port != 0 {
		list = append(list, "tlsport="+strconv.FormatInt(c.Port, 10))
	}
	if c.Authorization.IAM == enabled {
		uri := "awscredsuri"
		if t.CredentialsID != "" {
			uri += "=" + f.CredentialsPath(t.CredentialsID)
		}
		list = append(list, "iam", uri)
	}
	if c.Authorization.AccessPoint != "" {
		list = append(list, "accesspoint="+c.Authorization.AccessPoint)
	}
	return list
}

// withNetwork are the driver's options of a volume. The ECS volume plugin mounts over the task's own network, where it has
// one: that of its pause container.
func withNetwork(t *task.Task, v *task.DockerVolume) map[string]string {
	if v.Driver != task.DriverECS {
		return v.DriverOpts
	}
	for _, c := range t.Containers {
		if c.Type == task.CNIPause && c.PID != 0 {
			options := map[string]string{}
			maps.Copy(options, v.DriverOpts)
			netns := fmt.Sprintf("netns=/proc/%d/ns/net", c.PID)
			if options["o"] != "" {
				netns = options["o"] + "," + netns
			}
			options["o"] = netns
			return options
		}
	}
	return v.DriverOpts
}

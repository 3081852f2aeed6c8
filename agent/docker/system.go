package docker

import (
	"context"
	"slices"

	"github.com/docker/docker/api/types"
	"github.com/docker/docker/api/types/filters"
	"github.com/docker/docker/api/types/system"

	"github.com/aws/amazon-ecs-agent/agent/task"
)

// Info is what the daemon says about its host.
type Info struct {
	SecurityOptions []string // "selinux" before API 1.25, "name=selinux" from then on
	CgroupDriver    string
	CgroupVersion   string // "1" or "2"; empty from old daemons
	CPUs            int
	Memory          int64 // bytes
	OSType          string
	Architecture    string
	Runtimes        []string
	DataRoot        string // directory of images and containers, on the daemon's host
}

// SELinux reports whether containers are confined by SELinux.
func (i Info) SELinux() bool {
	return slices.Contains(i.SecurityOptions, "selinux") || slices.Contains(i.SecurityOptions, "name=selinux")
}

// Info asks the daemon about its host. Errors have no name, but for DockerTimeoutError.
func (c *Client) Info(ctx context.Context) (Info, error) {
	answer, err := guarded(ctx, step{doing: "listing", limit: systemLimit}, func(ctx context.Context) (system.Info, error) {
		return c.api.Info(ctx)
	})
	if err != nil {
		return Info{}, err
	}
	info := Info{
		SecurityOptions: answer.SecurityOptions, CgroupDriver: answer.CgroupDriver, CgroupVersion: answer.CgroupVersion,
		CPUs: answer.NCPU, Memory: answer.MemTotal, OSType: answer.OSType, Architecture: answer.Architecture,
		DataRoot: answer.DockerRootDir,
	}
	for name := range answer.Runtimes {
		info.Runtimes = append(info.Runtimes, name)
	}
	slices.Sort(info.Runtimes)
	return info, nil
}

// Ping asks whether the daemon answers, for at most five seconds.
func (c *Client) Ping(ctx context.Context) error {
	_, err := guarded(ctx, step{doing: "listing", limit: pingLimit}, c.api.Ping)
	return err
}

// VolumePlugins names the enabled managed plug-ins that are volume drivers ("name:tag").
// Errors: CannotListPluginsError, DockerTimeoutError.
func (c *Client) VolumePlugins(ctx context.Context) ([]string, error) {
	s := step{name: task.ErrCannotListPlugins, doing: "listing plugins", limit: pluginsLimit}
	which := filters.NewArgs(filters.Arg("enabled", "true"), filters.Arg("capability", "volumedriver"))
	list, err := guarded(ctx, s, func(ctx context.Context) (types.PluginsListResponse, error) {
		return c.api.PluginList(ctx, which)
	})
	if err != nil {
		return nil, err
	}
	names := make([]string, len(list))
	for i, plugin := range list {
		names[i] = plugin.Name
	}
	return names, nil
}

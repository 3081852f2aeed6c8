package mapping

import (
	"errors"
	"fmt"
	"path"
	"slices"
	"strconv"

	"github.com/docker/docker/api/types/container"

	"github.com/aws/amazon-ecs-agent/agent/task"
)

// FireLens: containers whose logs go to another container of their task, the log router.

// firelensDir is the directory of a task's log router below the data directory, on the host.
func (b *build) firelensDir() (string, error) {
	id, err := task.IDFromARN(b.task.ARN)
	if err != nil {
		return "", err
	}
	return path.Join(b.facts.HostDataDir, "data/firelens", id), nil
}

// routerFiles mounts the configuration into the log router, and the directory in which it makes its socket.
func routerFiles(b *build) error {
	if b.c.Firelens == nil {
		return nil
	}
	var config, external string
	switch kind := b.c.Firelens.Type; kind {
	case task.FirelensFluentd:
		config, external = "/fluentd/etc/fluent.conf", "/fluentd/etc/external.conf"
	case task.FirelensFluentBit:
		config, external = "/fluent-bit/etc/fluent-bit.conf", "/fluent-bit/etc/external.conf"
	default:
		return fmt.Errorf("encounter invalid firelens configuration type %s", kind)
	}
	dir, err := b.firelensDir()
	if err != nil {
		return err
	}
	binds := []string{dir + "/config/fluent.conf:" + config, dir + "/socket/:/var/run/"}
	if b.c.Firelens.Options["config-file-type"] == "s3" {
		binds = append(binds, dir+"/config/external.conf:"+external)
	}
	b.HostConfig.Binds = append(b.HostConfig.Binds, binds...)
	return nil
}

// routerVariables give the log router the secrets for the log options of the others, which its configuration names. The
// socket of Fluentd has to be root's: Docker's daemon writes to it.
func routerVariables(b *build) error {
	if b.c.Firelens == nil {
		return nil
	}
	if b.c.Firelens.Type == task.FirelensFluentd {
		b.env["FLUENT_UID"] = "0"
	}
	for _, c := range b.task.Containers {
		if !c.SendsToLogRouter() {
			continue
		}
		for _, s := range c.Secrets {
			if !s.ForLogDriver() {
				continue
			}
			value, err := b.facts.Secret(b.task, s)
			if err != nil {
				return fmt.Errorf("unable to generate config to create firelens container: missing secret value for secret %s", s.Name)
			}
			b.Secrets = append(b.Secrets, value)
			b.env[b.task.RouterVariable(c, s)] = value
		}
	}
	return nil
}

// routedLogs lets Docker send the container's logs to the socket of the log router. All other log options are in the
// configuration of the router.
func routedLogs(b *build) error {
	if b.HostConfig.LogConfig.Type != task.DriverFirelens {
		return nil
	}
	if !slices.ContainsFunc(b.task.Containers, func(c *task.Container) bool { return c.Firelens != nil }) {
		return errors.New("failed to create container - container uses awsfirelens log driver, but the task has no container with a firelensConfiguration")
	}
	modern, err := b.facts.ServerAtLeast(20, 10, 0)
	if err != nil {
		return fmt.Errorf("failed to create container - container uses awsfirelens log driver and we failed to generate the Firelens log config: unable to determine whether the Docker server version is at least 20.10.0: %w", err)
	}
	dir, err := b.firelensDir()
	if err != nil {
		return err
	}
	options := map[string]string{
		"tag":                          b.c.Name + "-firelens-" + b.task.ID(),
		"fluentd-address":              "unix://" + dir + "/socket/fluent.sock",
		"fluentd-sub-second-precision": "true",
	}
	if limit, given := b.HostConfig.LogConfig.Config[task.OptionFirelensBuffer]; given {
		options["fluentd-buffer-limit"] = limit
	}
	async := "fluentd-async"
	if !modern {
		async = "fluentd-async-connect"
	}
	options[async] = strconv.FormatBool(b.facts.FirelensAsync)
	b.HostConfig.LogConfig = container.LogConfig{Type: "fluentd", Config: options}
	return nil
}

// routerAddress tells programs that send logs by themselves where the log router listens.
func routerAddress(b *build) error {
	if !b.c.SendsToLogRouter() {
		return nil
	}
	host := ""
	switch mode := b.HostConfig.NetworkMode; {
	case b.task.NetworkMode == task.NetworkAWSVPC, b.c.Firelens != nil && mode != "host":
		host = "127.0.0.1"
	case mode == "" || mode == "bridge":
		i := slices.IndexFunc(b.task.Containers, func(c *task.Container) bool { return c.Firelens != nil })
		if host = b.task.Containers[i].BridgeAddress(); host == "" {
			return errors.New("unable to get BridgeIP for task in bridge mode")
		}
	default:
		return nil
	}
	b.env["FLUENT_HOST"], b.env["FLUENT_PORT"] = host, "24224"
	return nil
}

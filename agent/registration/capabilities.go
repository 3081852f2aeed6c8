package registration

import (
	"runtime"
	"slices"
	"strconv"
	"strings"

	"github.com/aws/amazon-ecs-agent/agent/ecsapi"
)

// Capabilities returns the capability attributes of the host in the order of the contract. It is pure.
func Capabilities(f Facts) ([]ecsapi.Attribute, error) {
	return capabilities(capabilityTable, &f)
}

func capabilities(table []row, f *Facts) ([]ecsapi.Attribute, error) {
	var all []ecsapi.Attribute
	has := func(name string) bool {
		return slices.ContainsFunc(all, func(a ecsapi.Attribute) bool { return a.Name == name })
	}
	for _, r := range table {
		if !r.implemented || r.ec2Only && f.Config.External {
			continue
		}
		more, err := r.attributes(f, has)
		if err != nil {
			return nil, err
		}
		all = append(all, more...)
	}
	return all, nil
}

type rowFunc = func(*Facts, func(string) bool) ([]ecsapi.Attribute, error)

func named(names ...string) []ecsapi.Attribute {
	var list []ecsapi.Attribute
	for _, n := range names {
		list = append(list, ecsapi.Named(n))
	}
	return list
}

func always(names ...string) rowFunc { return when(func(*Facts) bool { return true }, names...) }

func when(condition func(*Facts) bool, names ...string) rowFunc {
	return func(f *Facts, _ func(string) bool) ([]ecsapi.Attribute, error) {
		if !condition(f) {
			return nil, nil
		}
		return named(names...), nil
	}
}

// whenHas is for capabilities that come with another one.
func whenHas(other, name string) rowFunc {
	return func(_ *Facts, has func(string) bool) ([]ecsapi.Attribute, error) {
		if !has(other) {
			return nil, nil
		}
		return named(name), nil
	}
}

// The service limits the number of attributes of an instance: newer API versions, and three that nobody asks for, are not
// worth one.
const firstAPIWithoutAttribute = 33 // 1.33

var skippedAPIs = []string{"1.26", "1.27", "1.31"}

func remoteAPIs(f *Facts, _ func(string) bool) ([]ecsapi.Attribute, error) {
	var list []ecsapi.Attribute
	for _, v := range f.DockerAPIVersions {
		_, minor, _ := strings.Cut(v, ".")
		n, err := strconv.Atoi(minor)
		if err == nil && n < firstAPIWithoutAttribute && !slices.Contains(skippedAPIs, v) {
			list = append(list, ecsapi.Named(legacyPrefix+"docker-remote-api."+v))
		}
	}
	return list, nil
}

// driverVersions says since which Docker API version a logging driver exists.
var driverVersions = map[string]string{
	"json-file": "1.18", "syslog": "1.18", "journald": "1.19", "gelf": "1.20", "fluentd": "1.20", "awslogs": "1.21",
	"splunk": "1.22", "logentries": "1.25", "sumologic": "1.29", "none": "1.19",
}

func loggingDrivers(f *Facts, _ func(string) bool) ([]ecsapi.Attribute, error) {
	var list []ecsapi.Attribute
	for _, driver := range f.Config.AvailableLoggingDrivers {
		if since, known := driverVersions[driver]; known && f.docker(since) {
			list = append(list, ecsapi.Named(legacyPrefix+"logging-driver."+driver))
		}
	}
	return list, nil
}

func taskLimits(f *Facts, _ func(string) bool) ([]ecsapi.Attribute, error) {
	limits := f.Config.TaskCPUMemLimit
	switch {
	case limits.Enabled && f.docker("1.22"):
		return named(prefix + "task-cpu-mem-limit"), nil
	case limits.Enabled && limits.Explicit:
		return nil, errTaskLimitsUnsupported
	}
	return nil, nil
}

func taskENI(f *Facts) bool  { return f.Config.TaskENIEnabled }
func trunking(f *Facts) bool { return f.Config.ENITrunkingEnabled }

func vpcENIVersion(f *Facts, _ func(string) bool) ([]ecsapi.Attribute, error) {
	if !taskENI(f) || f.VPCENIVersion == "" {
		return nil, nil
	}
	return []ecsapi.Attribute{ecsapi.NamedValue(prefix+"cni-plugin-version", f.VPCENIVersion)}, nil
}

func branchENIVersion(f *Facts, _ func(string) bool) ([]ecsapi.Attribute, error) {
	if !trunking(f) || f.BranchENIVersion == "" {
		return nil, nil
	}
	return []ecsapi.Attribute{ecsapi.NamedValue(prefix+"branch-cni-plugin-version", f.BranchENIVersion)}, nil
}

func legacyPlugins(f *Facts, _ func(string) bool) ([]ecsapi.Attribute, error) {
	var list []ecsapi.Attribute
	for _, name := range f.LegacyPlugins {
		list = append(list, ecsapi.Named(prefix+"docker-plugin."+pluginAttribute(name)))
	}
	return list, nil
}

// managedPlugins advertises a plug-in with the tag "latest" also without its tag.
func managedPlugins(f *Facts, _ func(string) bool) ([]ecsapi.Attribute, error) {
	var list []ecsapi.Attribute
	for _, name := range f.ManagedPlugins {
		if bare, isLatest := strings.CutSuffix(name, ":latest"); isLatest {
			list = append(list, ecsapi.Named(prefix+"docker-plugin."+pluginAttribute(bare)))
		}
		list = append(list, ecsapi.Named(prefix+"docker-plugin."+pluginAttribute(name)))
	}
	return list, nil
}

// pluginAttribute makes a plug-in's name fit for an attribute.
func pluginAttribute(name string) string { return strings.ReplaceAll(name, ":", ".") }

func gpuDriver(f *Facts, _ func(string) bool) ([]ecsapi.Attribute, error) {
	if !f.Config.GPUSupportEnabled || f.GPU == nil || f.GPU.DriverVersion == "" {
		return nil, nil
	}
	return []ecsapi.Attribute{
		ecsapi.Named(prefix + "nvidia-driver-version." + f.GPU.DriverVersion),
		ecsapi.NamedValue(prefix+"gpu-driver-version", f.GPU.DriverVersion),
	}, nil
}

func volumePlugins(f *Facts, _ func(string) bool) ([]ecsapi.Attribute, error) {
	var list []ecsapi.Attribute
	for _, item := range f.Config.VolumePluginCapabilities {
		list = append(list, ecsapi.Named(prefix+item))
	}
	return list, nil
}

func vpcAttributes(f *Facts, _ func(string) bool) ([]ecsapi.Attribute, error) {
	if !taskENI(f) || f.VPC.ID == "" {
		return nil, nil
	}
	return []ecsapi.Attribute{ecsapi.NamedValue("ecs.vpc-id", f.VPC.ID), ecsapi.NamedValue("ecs.subnet-id", f.VPC.SubnetID)}, nil
}

// additionalAttributes describe the machine itself. outpostARN is empty outside AWS Outposts.
func additionalAttributes(f *Facts, outpostARN string) []ecsapi.Attribute {
	return attributesFor(f, outpostARN, runtime.GOOS, runtime.GOARCH)
}

func attributesFor(f *Facts, outpostARN, goos, goarch string) []ecsapi.Attribute {
	family := strings.ToUpper(goos)
	if goos == "windows" {
		family = f.Config.DetailedOSFamily
	}
	list := []ecsapi.Attribute{ecsapi.NamedValue("ecs.os-type", goos), ecsapi.NamedValue("ecs.os-family", family)}
	if detailed := f.Config.DetailedOSFamily; detailed != "" {
		list = append(list, ecsapi.NamedValue("ecs.os-type-detailed", detailed))
	}
	if f.Config.External {
		list = append(list, ecsapi.NamedValue("ecs.cpu-architecture", architecture(goarch)))
	}
	if outpostARN != "" {
		list = append(list, ecsapi.NamedValue("ecs.outpost-arn", outpostARN))
	}
	return list
}

// architecture is the name ECS has for a Go architecture; most are the same.
func architecture(goarch string) string {
	switch goarch {
	case "amd64":
		return "x86_64"
	case "386":
		return "i386"
	}
	return goarch
}

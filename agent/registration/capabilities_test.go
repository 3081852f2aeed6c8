package registration

import (
	"slices"
	"strings"
	"testing"

	"github.com/aws/amazon-ecs-agent/agent/config"
	"github.com/aws/amazon-ecs-agent/agent/ecsapi"
	"github.com/aws/amazon-ecs-agent/agent/goldenfile"
	"github.com/google/go-cmp/cmp"
)

// complete is the table with every row turned on: the rules hold whether or not a feature is built.
func complete() []row {
	table := slices.Clone(capabilityTable)
	for i := range table {
		table[i].implemented = true
	}
	return table
}

func allVersions() []string {
	var v []string
	for minor := 17; minor <= 44; minor++ {
		v = append(v, "1."+string(rune('0'+minor/10))+string(rune('0'+minor%10)))
	}
	return v
}

func text(a ecsapi.Attribute) string {
	if a.Value == nil {
		return a.Name
	}
	return a.Name + "=" + *a.Value
}

func texts(list []ecsapi.Attribute) []string {
	var all []string
	for _, a := range list {
		all = append(all, text(a))
	}
	return all
}

func TestTableIsInOrder(t *testing.T) {
	for i, r := range capabilityTable {
		if r.number != i+1 {
			t.Errorf("row %d at position %d", r.number, i+1)
		}
	}
}

func TestCapabilityRules(t *testing.T) {
	var cases []struct {
		Name   string
		Docker []string
		Config struct {
			LoggingDrivers                                                                       []string
			SELinux, AppArmor, TaskENI, HighDensityENI, AWSVPCBlockIMDS, TaskIAMRole, GPUSupport bool
			TaskIAMRoleNetworkHost, DisableDockerHealthCheck, External                           bool
			EBSTA                                                                                *bool
			VPCENIVersion, TaskCPUMemLimit                                                       string
		}
		LegacyPlugins, ManagedPlugins, CPUFlags []string
		GPUInfo                                 *struct {
			DriverVersion string
			GPUIDs        []string
		}
		PauseImageLoaded       *bool
		ExecUsable             bool
		Contains, Absent       []string
		ContainsOnlyWithPrefix map[string][]string
		Error                  string
	}
	goldenfile.Read(t, "testdata/capabilities.json", &cases)
	for _, c := range cases {
		t.Run(c.Name, func(t *testing.T) {
			cfg := &config.Config{
				AvailableLoggingDrivers: c.Config.LoggingDrivers, SELinuxCapable: c.Config.SELinux, AppArmorCapable: c.Config.AppArmor,
				TaskENIEnabled: c.Config.TaskENI, ENITrunkingEnabled: c.Config.HighDensityENI, AWSVPCBlockInstanceMetdata: c.Config.AWSVPCBlockIMDS,
				TaskIAMRoleEnabled: c.Config.TaskIAMRole, TaskIAMRoleEnabledForNetworkHost: c.Config.TaskIAMRoleNetworkHost,
				DisableDockerHealthCheck: c.Config.DisableDockerHealthCheck, GPUSupportEnabled: c.Config.GPUSupport, External: c.Config.External,
				EBSTASupportEnabled: c.Config.EBSTA == nil || *c.Config.EBSTA,
				TaskCPUMemLimit:     config.Toggle{Enabled: c.Config.TaskCPUMemLimit != "", Explicit: c.Config.TaskCPUMemLimit == "true"},
			}
			f := Facts{
				Config: cfg, DockerAPIVersions: c.Docker, LegacyPlugins: c.LegacyPlugins, ManagedPlugins: c.ManagedPlugins, CPUFlags: c.CPUFlags,
				VPCENIVersion: c.Config.VPCENIVersion, PauseImageLoaded: c.PauseImageLoaded == nil || *c.PauseImageLoaded, ExecUsable: c.ExecUsable,
				ServiceConnectLoaded: true, EBSDriverPresent: true, FaultInjectionUsable: true,
			}
			if c.GPUInfo != nil {
				f.GPU = &GPU{c.GPUInfo.DriverVersion, c.GPUInfo.GPUIDs}
			}
			list, err := capabilities(complete(), &f)
			if c.Error != "" {
				if err == nil || err.Error() != c.Error {
					t.Errorf("got %v, want %s", err, c.Error)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			got := texts(list)
			for _, want := range c.Contains {
				if !slices.Contains(got, want) {
					t.Errorf("%s is missing", want)
				}
			}
			for _, name := range c.Absent {
				if slices.ContainsFunc(list, func(a ecsapi.Attribute) bool { return a.Name == name }) {
					t.Errorf("%s must not be there", name)
				}
			}
			for p, want := range c.ContainsOnlyWithPrefix {
				var found []string
				for _, g := range got {
					if rest, ok := strings.CutPrefix(g, p); ok {
						found = append(found, rest)
					}
				}
				if diff := cmp.Diff(want, found); diff != "" {
					t.Error(diff)
				}
			}
		})
	}
}

// TestCompleteAttributeList is the registration of a full EC2 host, all features built, in order.
func TestCompleteAttributeList(t *testing.T) {
	var want []ecsapi.Attribute
	goldenfile.Read(t, "testdata/attributes_full.json", &want)
	f := Facts{
		Config: &config.Config{
			AvailableLoggingDrivers: []string{"json-file", "syslog", "awslogs", "fluentd", "none"},
			TaskIAMRoleEnabled:      true, TaskIAMRoleEnabledForNetworkHost: true, TaskCPUMemLimit: config.Toggle{Enabled: true},
			TaskENIEnabled: true, ENITrunkingEnabled: true, OverrideAWSLogsExecutionRole: true, EBSTASupportEnabled: true,
			VolumePluginCapabilities: []string{"efsAuth"}, DetailedOSFamily: "amzn_2023",
		},
		DockerAPIVersions: allVersions(), LegacyPlugins: []string{"amazon-ecs-volume-plugin"}, PauseImageLoaded: true,
		CPUFlags: []string{"avx", "avx2", "sse4_1", "sse4_2"}, VPCENIVersion: "226db36-2024.09.0", BranchENIVersion: "a4e9ac0-2024.1",
		VPC:        VPC{ID: "vpc-0123456789abcdef0", SubnetID: "subnet-0123456789abcdef0"},
		ExecUsable: true, ServiceConnectLoaded: true, EBSDriverPresent: true, FaultInjectionUsable: true,
	}
	got, err := capabilities(complete(), &f)
	if err != nil {
		t.Fatal(err)
	}
	custom := []ecsapi.Attribute{ecsapi.NamedValue("stack", "prod"), ecsapi.NamedValue("no-value", "")}
	got = append(append(custom, got...), attributesFor(&f, "", "linux", "amd64")...)
	if diff := cmp.Diff(texts(want), texts(got)); diff != "" {
		t.Error(diff)
	}
}

// TestAdvertisedCapabilities pins what this release promises. Change it together with the table.
func TestAdvertisedCapabilities(t *testing.T) {
	f := Facts{
		Config: &config.Config{
			AvailableLoggingDrivers: []string{"json-file", "none"}, TaskIAMRoleEnabled: true, TaskIAMRoleEnabledForNetworkHost: true,
			TaskCPUMemLimit: config.Toggle{Enabled: true}, TaskENIEnabled: true, GPUSupportEnabled: true, EBSTASupportEnabled: true,
			SELinuxCapable: true, AppArmorCapable: true, OverrideAWSLogsExecutionRole: true, GMSACapable: true, VolumePluginCapabilities: []string{"efsAuth"},
		},
		DockerAPIVersions: []string{"1.24", "1.25"}, PauseImageLoaded: true, GPU: &GPU{DriverVersion: "1"}, LegacyPlugins: []string{"legacy"}, ManagedPlugins: []string{"p:latest"},
		VPCENIVersion: "v", VPC: VPC{ID: "v", SubnetID: "s"}, ExecUsable: true, ServiceConnectLoaded: true, EBSDriverPresent: true, FaultInjectionUsable: true,
	}
	// 1.24 implies the older versions.
	f.DockerAPIVersions = append([]string{"1.17", "1.18", "1.19", "1.20", "1.21", "1.22", "1.23"}, f.DockerAPIVersions...)
	want := []string{
		prefix + "private-registry-authentication.secretsmanager", prefix + "secrets.ssm.environment-variables",
		prefix + "secrets.ssm.bootstrap.log-driver", prefix + "ecr-endpoint",
		prefix + "secrets.asm.environment-variables", prefix + "secrets.asm.bootstrap.log-driver",
		prefix + "container-ordering", prefix + "full-sync", prefix + "env-files.s3", prefix + "network.container-port-range", prefix + "container-restart-policy",
		legacyPrefix + "privileged-container",
		legacyPrefix + "docker-remote-api.1.17", legacyPrefix + "docker-remote-api.1.18", legacyPrefix + "docker-remote-api.1.19",
		legacyPrefix + "docker-remote-api.1.20", legacyPrefix + "docker-remote-api.1.21", legacyPrefix + "docker-remote-api.1.22",
		legacyPrefix + "docker-remote-api.1.23", legacyPrefix + "docker-remote-api.1.24", legacyPrefix + "docker-remote-api.1.25",
		legacyPrefix + "logging-driver.json-file", legacyPrefix + "logging-driver.none",
		legacyPrefix + "selinux", legacyPrefix + "apparmor", legacyPrefix + "task-iam-role", legacyPrefix + "task-iam-role-network-host",
		prefix + "task-cpu-mem-limit", prefix + "increased-task-cpu-limit",
		prefix + "task-eni", prefix + "task-eni.ipv6", prefix + "cni-plugin-version=v",
		legacyPrefix + "ecr-auth", prefix + "execution-role-ecr-pull", prefix + "container-health-check", prefix + "execution-role-awslogs", prefix + "docker-plugin.local",
		prefix + "docker-plugin.legacy", prefix + "docker-plugin.p", prefix + "docker-plugin.p.latest",
		prefix + "nvidia-driver-version.1", prefix + "gpu-driver-version=1", prefix + "pid-ipc-namespace-sharing", prefix + "aws-appmesh",
		prefix + "firelens.fluentd", prefix + "firelens.fluentbit", legacyPrefix + "logging-driver.awsfirelens",
		prefix + "logging-driver.awsfirelens.log-driver-buffer-limit", prefix + "firelens.non-root-user",
		prefix + "efs", prefix + "storage.s3-files", prefix + "firelens.options.config.file", prefix + "firelens.options.config.s3", prefix + "efsAuth", prefix + "fault-injection", prefix + "ipv6-only",
		"ecs.vpc-id=v", "ecs.subnet-id=s",
	}
	got, err := Capabilities(f)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, texts(got)); diff != "" {
		t.Error(diff)
	}
}

// A version that cannot be read costs nothing but the version.
func TestTaskNetworkingWithoutPluginVersions(t *testing.T) {
	got, err := Capabilities(Facts{Config: &config.Config{TaskENIEnabled: true, ENITrunkingEnabled: true, AWSVPCBlockInstanceMetdata: true}})
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, a := range got {
		if strings.Contains(a.Name, "eni") || strings.Contains(a.Name, "cni") {
			names = append(names, strings.TrimPrefix(a.Name, prefix))
		}
	}
	if want := []string{"task-eni", "task-eni.ipv6", "task-eni-block-instance-metadata", "task-eni-trunking"}; !slices.Equal(names, want) {
		t.Errorf("%q, want %q", names, want)
	}
}

func TestAdditionalAttributes(t *testing.T) {
	cases := []struct {
		name    string
		cfg     config.Config
		outpost string
		os      string
		arch    string
		want    []string
	}{
		{"EC2", config.Config{DetailedOSFamily: "LINUX"}, "", "linux", "amd64", []string{"ecs.os-type=linux", "ecs.os-family=LINUX", "ecs.os-type-detailed=LINUX"}},
		{"no detailed family", config.Config{}, "", "linux", "arm64", []string{"ecs.os-type=linux", "ecs.os-family=LINUX"}},
		{"external", config.Config{External: true}, "", "linux", "amd64", []string{"ecs.os-type=linux", "ecs.os-family=LINUX", "ecs.cpu-architecture=x86_64"}},
		{"external arm", config.Config{External: true}, "", "linux", "arm64", []string{"ecs.os-type=linux", "ecs.os-family=LINUX", "ecs.cpu-architecture=arm64"}},
		{"external 32 bit", config.Config{External: true}, "", "linux", "386", []string{"ecs.os-type=linux", "ecs.os-family=LINUX", "ecs.cpu-architecture=i386"}},
		{"Outpost", config.Config{}, "arn:op", "linux", "amd64", []string{"ecs.os-type=linux", "ecs.os-family=LINUX", "ecs.outpost-arn=arn:op"}},
		{"Windows", config.Config{DetailedOSFamily: "WINDOWS_SERVER_2022_CORE"}, "", "windows", "amd64",
			[]string{"ecs.os-type=windows", "ecs.os-family=WINDOWS_SERVER_2022_CORE", "ecs.os-type-detailed=WINDOWS_SERVER_2022_CORE"}},
	}
	for _, c := range cases {
		if diff := cmp.Diff(c.want, texts(attributesFor(&Facts{Config: &c.cfg}, c.outpost, c.os, c.arch))); diff != "" {
			t.Errorf("%s: %s", c.name, diff)
		}
	}
}

func TestParseCPUFlags(t *testing.T) {
	for text, want := range map[string][]string{
		"processor\t: 0\nflags\t\t: fpu avx avx2\n\nprocessor\t: 1\nflags\t\t: other\n": {"fpu", "avx", "avx2"},
		"Features\t: fp asimd\n":  {"fp", "asimd"},
		"":                        nil,
		"flags without a colon\n": nil,
	} {
		if diff := cmp.Diff(want, ParseCPUFlags(text)); diff != "" {
			t.Errorf("%q: %s", text, diff)
		}
	}
}

package config

import (
	"errors"
	"strings"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"
)

func TestIPCompatibilityFollowsTheDefaultRoutes(t *testing.T) {
	const (
		heading      = "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT\n"
		onLink       = "tun0\t00000000\t00000000\t0001\t0\t0\t0\t00000000\t0\t0\t0\n"
		blackholed   = "*\t00000000\t00000000\t0200\t0\t0\t0\t00000000\t0\t0\t0\n"
		halfOfAll    = "tun0\t00000000\t00000000\t0001\t0\t0\t0\t00000080\t0\t0\t0\n"
		ipv6Gateway  = "00000000000000000000000000000000 00 00000000000000000000000000000000 00 fe80000000000000000000fffe000001 00000400 00000001 00000000 00000003     eth1\n"
		ipv6Device   = "00000000000000000000000000000000 00 00000000000000000000000000000000 00 00000000000000000000000000000000 00000400 00000001 00000000 00000001     wg0\n"
		ipv6OnlyLink = "fe800000000000000000000000000000 40 00000000000000000000000000000000 00 00000000000000000000000000000000 00000100 00000001 00000000 00000001     eth0\n"
	)
	for _, c := range []struct {
		name, v4, v6, want string
	}{
		{"IPv4 gateway", ipv4Routes, ipv6NoRoutes, "ipv4"},
		{"both", ipv4Routes, ipv6NoRoutes + ipv6Gateway, "dual"},
		{"IPv6 alone", heading, ipv6OnlyLink + ipv6Gateway, "ipv6"},
		{"route straight to a device", heading + onLink, ipv6NoRoutes, "ipv4"},
		{"IPv6 route straight to a device", heading, ipv6Device, "ipv6"},
		{"link-local addresses alone", heading, ipv6OnlyLink + ipv6NoRoutes, "none"},
		{"an unreachable default route", heading + blackholed, ipv6NoRoutes, "none"},
		{"a route to half of all addresses", heading + halfOfAll, ipv6NoRoutes, "none"},
		{"empty tables", "", "", "none"},
	} {
		t.Run(c.name, func(t *testing.T) {
			h := newHost()
			h.files[routesIPv4], h.files[routesIPv6] = c.v4, c.v6
			cfg := h.load(t)
			if got := cfg.InstanceIPCompatibility.String(); got != c.want {
				t.Errorf("got %s, want %s", got, c.want)
			}
			if got, want := cfg.InstanceIPCompatibility.IPv6Only(), c.want == "ipv6"; got != want {
				t.Errorf("IPv6Only %t", got)
			}
			if cfg.ShouldExcludeIPv6PortBinding == cfg.InstanceIPCompatibility.IPv6Only() {
				t.Errorf("ShouldExcludeIPv6PortBinding %t", cfg.ShouldExcludeIPv6PortBinding)
			}
		})
	}
}

func TestAKernelWithoutIPv6IsIPv4(t *testing.T) {
	h := newHost()
	delete(h.files, routesIPv6)
	if got := h.load(t).InstanceIPCompatibility; got != (IPCompatibility{IPv4: true}) {
		t.Errorf("got %v", got)
	}
	if h.logged("IP compatibility") {
		t.Errorf("log %q", h.log)
	}
}

func TestUnreadableRoutesMeanIPv4WithAWarning(t *testing.T) {
	for _, path := range []string{routesIPv4, routesIPv6} {
		h := newHost()
		h.files[routesIPv4], h.files[routesIPv6] = "", ""
		h.fileErrs = map[string]error{path: errors.New("broken")}
		if got := h.load(t).InstanceIPCompatibility; got != (IPCompatibility{IPv4: true}) {
			t.Errorf("%s: got %v", path, got)
		}
		if !h.logged("warn Unable to determine the IP compatibility") {
			t.Errorf("%s: log %q", path, h.log)
		}
	}
}

func TestKernelPortRange(t *testing.T) {
	for text, want := range map[string]string{"32768\t60999\n": "32768-60999", "1024 65000": "1024-65000", "": "49153-65535", "x y": "49153-65535"} {
		h := newHost()
		h.files["/proc/sys/net/ipv4/ip_local_port_range"] = text
		if got := h.load(t).DynamicHostPortRange; got != want {
			t.Errorf("%q: got %s, want %s", text, got, want)
		}
	}
	h := newHost()
	delete(h.files, "/proc/sys/net/ipv4/ip_local_port_range")
	if got := h.load(t).DynamicHostPortRange; got != "49153-65535" {
		t.Errorf("no file: got %s", got)
	}
}

func TestPortRangeNumbers(t *testing.T) {
	for text, want := range map[string][2]uint16{"200-300": {200, 300}, "8080": {8080, 8080}} {
		first, last, err := (&Config{DynamicHostPortRange: text}).PortRange()
		if got := [2]uint16{first, last}; got != want || err != nil {
			t.Errorf("%q: got %v, %v; want %v", text, got, err, want)
		}
	}
	for _, text := range []string{"", "x", "2-1", "70000", "-"} {
		if first, last, err := (&Config{DynamicHostPortRange: text}).PortRange(); err == nil || !strings.HasPrefix(err.Error(), "ECS_DYNAMIC_HOST_PORT_RANGE: ") {
			t.Errorf("%q was read as %d-%d, %v", text, first, last, err)
		}
	}
}

func TestFIPS(t *testing.T) {
	for text, want := range map[string]bool{"1\n": true, "0\n": false, "": false} {
		h := newHost()
		h.files["/proc/sys/crypto/fips_enabled"] = text
		if got := h.load(t).FIPSEnabled; got != want {
			t.Errorf("%q: got %t", text, got)
		}
	}
	if newHost().load(t).FIPSEnabled {
		t.Error("on without the file")
	}
}

func TestGMSA(t *testing.T) {
	for _, c := range []struct {
		name                string
		env                 map[string]string
		capable, domainless bool
		errors              int
	}{
		{"not asked for", map[string]string{"CREDENTIALS_FETCHER_HOST_DIR": "/nowhere"}, false, false, 0},
		{"explicitly off", map[string]string{"ECS_GMSA_SUPPORTED": "false", "CREDENTIALS_FETCHER_HOST_DIR": "/nowhere"}, false, false, 0},
		{"no socket named", map[string]string{"ECS_GMSA_SUPPORTED": "true"}, false, false, 0},
		{"the socket is missing", map[string]string{"ECS_GMSA_SUPPORTED": "true", "CREDENTIALS_FETCHER_HOST_DIR": "/nowhere"}, false, false, 1},
		{"domain-joined", map[string]string{"ECS_GMSA_SUPPORTED": "True", "CREDENTIALS_FETCHER_HOST_DIR": "/var/run", "ECS_DOMAIN_JOINED_LINUX_INSTANCE": "True"}, true, true, 0},
		{"secret for domainless hosts", map[string]string{"ECS_GMSA_SUPPORTED": "1", "CREDENTIALS_FETCHER_HOST_DIR": "/var/run", "CREDENTIALS_FETCHER_SECRET_NAME_FOR_DOMAINLESS_GMSA": "s"}, true, true, 0},
		{"domainless only", map[string]string{"ECS_GMSA_SUPPORTED": "true", "CREDENTIALS_FETCHER_HOST_DIR": "/var/run"}, false, true, 1},
		{"test override of the first", map[string]string{"ECS_GMSA_SUPPORTED": "true", "ZZZ_SKIP_DOMAIN_JOIN_CHECK_NOT_SUPPORTED_IN_PRODUCTION": "true"}, true, false, 0},
		{"test override of the second", map[string]string{"ECS_GMSA_SUPPORTED": "true", "ZZZ_SKIP_DOMAIN_LESS_CHECK_NOT_SUPPORTED_IN_PRODUCTION": "true"}, false, true, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			h := newHost()
			for name, value := range c.env {
				h.env[name] = value
			}
			cfg := h.load(t)
			if cfg.GMSACapable != c.capable || cfg.GMSADomainlessCapable != c.domainless {
				t.Errorf("got %t, %t; want %t, %t", cfg.GMSACapable, cfg.GMSADomainlessCapable, c.capable, c.domainless)
			}
			n := 0
			for _, line := range h.log {
				if strings.HasPrefix(line, "error ") {
					n++
				}
			}
			if n != c.errors {
				t.Errorf("%d error records in %q", n, h.log)
			}
		})
	}
}

func TestWindowsDefaults(t *testing.T) {
	h := newHost()
	h.goos = "windows"
	h.env["ProgramData"] = `D:\ProgramData`
	h.files = nil
	check(t, h.load(t), map[string]any{
		"DockerEndpoint":          "npipe:////./pipe/docker_engine",
		"DataDir":                 `D:\ProgramData\Amazon\ECS\data`,
		"DataDirOnHost":           `D:\ProgramData\Amazon\ECS\data`,
		"CredentialsAuditLogFile": `D:\ProgramData\Amazon\ECS\log\audit.log`,
		"RuntimeStatsLogFile":     `D:\ProgramData\Amazon\ECS\log\agent-runtime-stats.log`,
		"CNIPluginsPath":          `C:\Program Files\Amazon\ECS\cni`,
		"CSIDriverSocketPath":     `D:\ProgramData\Amazon\ECS\ebs-csi-driver\csi-driver.sock`,
		"ReservedPorts":           []any{2375.0, 2376.0, 51678.0, 51679.0, 3389.0, 135.0, 445.0, 5985.0, 5986.0, 53.0, 139.0},
		"AvailableLoggingDrivers": []any{"json-file", "none", "awslogs"},
		"ContainerStartTimeout":   "8m", "ImagePullInactivityTimeout": "3m",
		"NodeStageTimeout": "600s", "NodeUnstageTimeout": "600s",
		"DynamicHostPortRange":    "49152-65535",
		"TaskCPUMemLimit":         "off",
		"InstanceIPCompatibility": "ipv4",
	})
}

func TestWindowsRules(t *testing.T) {
	h := newHost()
	h.goos = "windows"
	for name, value := range map[string]string{
		"ECS_ENABLE_TASK_IAM_ROLE": "true", "ECS_CONTAINER_START_TIMEOUT": "1m", "ECS_IMAGE_PULL_INACTIVITY_TIMEOUT": "5s",
		"ECS_ENABLE_TASK_CPU_MEM_LIMIT": "true", "ECS_TASK_PIDS_LIMIT": "5", "ECS_INSTANCE_IP_COMPATIBILITY": "ipv6",
		"ECS_PROPAGATE_TASK_MEMORY_LIMIT_CGROUPV2": "true", "ECS_ENABLE_TASK_ENI": "true", "ECS_ENABLE_HIGH_DENSITY_ENI": "true",
		"ECS_ENABLE_PROMETHEUS_METRICS": "true", "ECS_ENABLE_CPU_UNBOUNDED_WINDOWS_WORKAROUND": "true",
	} {
		h.env[name] = value
	}
	h.files[defaultConfigFile] = `{"ImagePullInactivityTimeout": 1000000000}`
	check(t, h.load(t), map[string]any{
		"ReservedPorts":         []any{2375.0, 2376.0, 51678.0, 51679.0, 3389.0, 135.0, 445.0, 5985.0, 5986.0, 53.0, 139.0, 80.0},
		"ContainerStartTimeout": "2m", "ImagePullInactivityTimeout": "1m",
		"TaskCPUMemLimit": "explicit off", "TaskPidsLimit": 0.0, "InstanceIPCompatibility": "ipv4",
		"PropagateTaskMemoryLimitCgroupV2": false, "ENITrunkingEnabled": false,
		"CPUUnboundedWindowsWorkaround": true,
	})
	for _, name := range []string{"ECS_TASK_PIDS_LIMIT", "ECS_INSTANCE_IP_COMPATIBILITY", "ECS_PROPAGATE_TASK_MEMORY_LIMIT_CGROUPV2"} {
		if !h.logged(name + " is not supported on Windows") {
			t.Errorf("no warning about %s", name)
		}
	}
	delete(h.env, "ECS_IMAGE_PULL_INACTIVITY_TIMEOUT")
	check(t, h.load(t), map[string]any{"ImagePullInactivityTimeout": "3m"})
}

func TestSettingsOfFeaturesToComeAreToldOnce(t *testing.T) {
	h := newHost()
	for name, value := range map[string]string{
		"ECS_ENABLE_TASK_ENI": "true", "ECS_GMSA_SUPPORTED": "true", "ECS_ENABLE_TASK_CPU_MEM_LIMIT": "true",
		"ECS_TASK_PIDS_LIMIT": "10", "ECS_EBSTA_SUPPORTED": "false",
	} {
		h.env[name] = value
	}
	h.files[defaultConfigFile] = `{"EBSTASupportEnabled": true, "NodeStageTimeout": 5000000000}`
	h.load(t)
	var told []string
	for _, line := range h.log {
		if name, ok := strings.CutPrefix(line, "warn not supported yet: "); ok {
			told = append(told, name)
		}
	}
	want := []string{"ECS_GMSA_SUPPORTED", "ECS_EBSTA_SUPPORTED", "NodeStageTimeout"}
	if diff := gocmp.Diff(want, told); diff != "" {
		t.Error(diff)
	}
}

func TestTurningAFeatureToComeOffIsNotTold(t *testing.T) {
	h := newHost()
	h.env["ECS_GMSA_SUPPORTED"] = "false"
	h.env["ECS_ENABLE_TASK_CPU_MEM_LIMIT"] = "false"
	h.env["ECS_EBSTA_SUPPORTED"] = "false"
	h.load(t)
	if h.logged("not supported yet") {
		t.Errorf("log %q", h.log)
	}
}

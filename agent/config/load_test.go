package config

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/aws/amazon-ecs-agent/agent/goldenfile"
	"github.com/aws/amazon-ecs-agent/agent/logger"
	gocmp "github.com/google/go-cmp/cmp"
)

// host is a fake host: environment, files and metadata service in memory.
type host struct {
	env      map[string]string
	files    map[string]string
	fileErrs map[string]error

	userData, identityRegion, placementRegion string
	metadataCalls                             []string

	goos string
	// log holds "level message" of everything logged.
	log []string
}

const (
	ipv4Routes = "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT\n" +
		"eth0\t00000000\t0100000A\t0003\t0\t0\t100\t00000000\t0\t0\t0\n" +
		"eth0\t0000000A\t00000000\t0001\t0\t0\t100\t00FFFFFF\t0\t0\t0\n"
	ipv6NoRoutes = "00000000000000000000000000000000 00 00000000000000000000000000000000 00 00000000000000000000000000000000 ffffffff 00000001 00000000 00200200       lo\n"
)

// newHost is an IPv4 host with a region, enough for a successful load.
func newHost() *host {
	return &host{
		env: map[string]string{"AWS_DEFAULT_REGION": "us-west-2"},
		files: map[string]string{
			routesIPv4:                               ipv4Routes,
			routesIPv6:                               ipv6NoRoutes,
			"/proc/sys/net/ipv4/ip_local_port_range": "32768\t60999\n",
			"/var/run":                               "",
		},
	}
}

var errNoMetadata = errors.New("no metadata")

func (h *host) answer(path, value string) (string, error) {
	h.metadataCalls = append(h.metadataCalls, path)
	if value == "" {
		return "", errNoMetadata
	}
	return value, nil
}

func (h *host) UserData(context.Context) (string, error) { return h.answer("user-data", h.userData) }
func (h *host) IdentityRegion(context.Context) (string, error) {
	return h.answer("document", h.identityRegion)
}
func (h *host) PlacementRegion(context.Context) (string, error) {
	return h.answer("placement/region", h.placementRegion)
}

func (h *host) sources() Sources {
	return Sources{
		Lookup: func(name string) (string, bool) { v, ok := h.env[name]; return v, ok },
		Environ: func() (list []string) {
			for name, value := range h.env {
				list = append(list, name+"="+value)
			}
			return list
		}(),
		ReadFile: func(path string) ([]byte, error) {
			if err := h.fileErrs[path]; err != nil {
				return nil, err
			}
			text, ok := h.files[path]
			if !ok {
				return nil, &os.PathError{Op: "open", Path: path, Err: os.ErrNotExist}
			}
			return []byte(text), nil
		},
		Exists:   func(path string) bool { _, ok := h.files[path]; return ok },
		Metadata: h,
		GOOS:     h.goos,
		Log:      func(l logger.Level, msg string) { h.log = append(h.log, l.String()+" "+msg) },
	}
}

func (h *host) load(t *testing.T) *Config {
	t.Helper()
	cfg, err := Load(t.Context(), h.sources())
	if err != nil {
		t.Fatalf("load: %v", err)
	}
	return cfg
}

func (h *host) logged(part string) bool {
	for _, line := range h.log {
		if strings.Contains(line, part) {
			return true
		}
	}
	return false
}

// check compares fields of cfg with JSON values: durations as Go text, enumerations by name.
func check(t *testing.T, cfg *Config, want map[string]any) {
	t.Helper()
	for field, w := range want {
		f := reflect.ValueOf(cfg).Elem().FieldByName(field)
		if !f.IsValid() {
			t.Errorf("Config has no field %s", field)
			continue
		}
		var got any
		switch v := f.Interface().(type) {
		case time.Duration:
			d, err := time.ParseDuration(w.(string))
			if err != nil {
				t.Fatal(err)
			}
			got, w = v, d
		case Toggle:
			got = map[Toggle]string{{true, true}: "explicit on", {false, true}: "explicit off", {true, false}: "on", {false, false}: "off"}[v]
		case fmt.Stringer:
			if p, ok := v.(netip.Prefix); ok && !p.IsValid() {
				got = ""
			} else {
				got = v.String()
			}
		default:
			b, err := json.Marshal(v)
			if err != nil {
				t.Fatal(err)
			}
			_ = json.Unmarshal(b, &got)
			if got == nil {
				got = reflect.Zero(reflect.TypeOf(w)).Interface()
			}
		}
		if reflect.TypeOf(w).Kind() == reflect.Map && reflect.ValueOf(w).Len() == 0 || reflect.TypeOf(w).Kind() == reflect.Slice && reflect.ValueOf(w).Len() == 0 {
			if f.Len() != 0 {
				t.Errorf("%s = %v, want nothing", field, got)
			}
			continue
		}
		if diff := gocmp.Diff(w, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", field, diff)
		}
	}
}

func TestVariables(t *testing.T) {
	var cases []struct {
		Env   map[string]string
		Want  map[string]any
		Warn  string
		Fatal *string
	}
	goldenfile.Read(t, "testdata/variables.json", &cases)
	for _, c := range cases {
		t.Run(fmt.Sprint(c.Env), func(t *testing.T) {
			h := newHost()
			for name, value := range c.Env {
				h.env[name] = value
			}
			cfg, err := Load(t.Context(), h.sources())
			if c.Fatal != nil {
				if err == nil || !strings.Contains(err.Error(), *c.Fatal) {
					t.Fatalf("error %v, want %q", err, *c.Fatal)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			check(t, cfg, c.Want)
			if c.Warn != "" && !h.logged(c.Warn) {
				t.Errorf("no warning with %q in %q", c.Warn, h.log)
			}
		})
	}
}

func TestMerge(t *testing.T) {
	var cases []struct {
		Name                                      string
		Env                                       map[string]string
		File                                      json.RawMessage
		FileText                                  string
		UserData, IdentityRegion, PlacementRegion string
		Want                                      map[string]any
		Fatal                                     string
	}
	goldenfile.Read(t, "testdata/merge.json", &cases)
	for _, c := range cases {
		t.Run(c.Name, func(t *testing.T) {
			h := newHost()
			h.env = c.Env
			h.userData, h.identityRegion, h.placementRegion = c.UserData, c.IdentityRegion, c.PlacementRegion
			if text := cmp.Or(c.FileText, string(c.File)); text != "" {
				h.files[cmp.Or(c.Env["ECS_AGENT_CONFIG_FILE_PATH"], defaultConfigFile)] = text
			}
			cfg, err := Load(t.Context(), h.sources())
			if c.Fatal != "" {
				if err == nil || !strings.Contains(err.Error(), c.Fatal) {
					t.Fatalf("error %v, want %q", err, c.Fatal)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			check(t, cfg, c.Want)
		})
	}
}

func TestCompleteFile(t *testing.T) {
	text, err := os.ReadFile("testdata/complete.json")
	if err != nil {
		t.Fatal(err)
	}
	h := newHost()
	h.env = nil
	h.files[defaultConfigFile] = string(text)
	cfg := h.load(t)

	want := newHost().load(t)
	want.Cluster = "production"
	want.APIEndpoint = "https://ecs.us-west-2.amazonaws.com"
	want.DataDir = "/data"
	want.Checkpoint = true
	want.EngineAuthType = "docker"
	want.EngineAuthData = cfg.EngineAuthData
	want.ReservedPortsUDP = []uint16{53}
	want.ReservedMemory = 256
	want.AvailableLoggingDrivers = []string{"json-file", "awslogs", "none"}
	want.TaskIAMRoleEnabled = true
	want.TaskIAMRoleEnabledForNetworkHost = true
	want.TaskCPUMemLimit = Toggle{Enabled: true, Explicit: true}
	want.TaskCleanupWaitDuration = time.Hour
	want.ImagePullBehavior = ImagePullPreferCached
	want.ContainerInstancePropagateTagsFrom = PropagateTagsFromEC2Instance
	want.InstanceAttributes = map[string]string{"stack": "prod"}
	want.ContainerInstanceTags = map[string]string{"team": "platform"}
	want.AWSVPCAdditionalLocalRoutes = []netip.Prefix{netip.MustParsePrefix("169.254.172.1/32")}
	want.OverrideAWSVPCLocalIPv4Address = netip.MustParsePrefix("169.254.172.42/22")
	if !reflect.DeepEqual(cfg, want) {
		t.Errorf("got\n%#v\nwant\n%#v", *cfg, *want)
	}
	var auth map[string]struct{ Username string }
	if err := json.Unmarshal(cfg.EngineAuthData.Contents(), &auth); err != nil || auth["registry.example.com"].Username != "user" {
		t.Errorf("auth data %v, %v", auth, err)
	}
}

func TestErrorsAreCollectedInOneShape(t *testing.T) {
	h := newHost()
	h.env = map[string]string{"ECS_INSTANCE_ATTRIBUTES": "x", "ECS_CONTAINER_INSTANCE_TAGS": "[]"}
	_, err := Load(t.Context(), h.sources())
	want := "Multiple error:" +
		"\n\t0: Multiple error:" +
		"\n\t0: Invalid format for ECS_INSTANCE_ATTRIBUTES. Expected a json hash: invalid character 'x' looking for beginning of value" +
		"\n\t1: Invalid format for ECS_CONTAINER_INSTANCE_TAGS. Expected a json hash: json: cannot unmarshal array into Go value of type map[string]string" +
		"\n\t1: Missing required fields: AWSRegion"
	if err == nil || err.Error() != want {
		t.Errorf("got  %v\nwant %v", err, want)
	}
	if !h.logged("critical Unable to communicate with EC2 Metadata service to infer region: no metadata") {
		t.Errorf("log %q", h.log)
	}
}

func TestASingleErrorHasTheSameShape(t *testing.T) {
	h := newHost()
	h.env["ECS_AVAILABLE_LOGGING_DRIVERS"] = `["a"]`
	_, err := Load(t.Context(), h.sources())
	if want := "Multiple error:\n\t0: Invalid logging drivers: a"; err == nil || err.Error() != want {
		t.Errorf("got %v, want %v", err, want)
	}
	if !h.logged(`error Invalid value ["a"] for ECS_AVAILABLE_LOGGING_DRIVERS. Allowed: a list of json-file, `) {
		t.Errorf("the remedy is not logged: %q", h.log)
	}
}

func TestOnlyTheFirstOfTheLastChecksIsReported(t *testing.T) {
	h := newHost()
	h.files[defaultConfigFile] = `{"DockerStopTimeout":1,"ContainerStartTimeout":1,"AvailableLoggingDrivers":["a"]}`
	_, err := Load(t.Context(), h.sources())
	if want := "Multiple error:\n\t0: config: invalid value for docker container stop timeout: 1ns"; err == nil || err.Error() != want {
		t.Errorf("got %v, want %v", err, want)
	}
}

func TestExternalWithoutRegionIsReportedBare(t *testing.T) {
	h := newHost()
	h.env = map[string]string{"ECS_EXTERNAL": "T", "ECS_INSTANCE_ATTRIBUTES": "x"}
	_, err := Load(t.Context(), h.sources())
	if want := "AWS_DEFAULT_REGION has to be set when running on external capacity"; err == nil || err.Error() != want {
		t.Errorf("got %v, want %v", err, want)
	}
}

func TestAnExternalHostNeverAsksMetadata(t *testing.T) {
	h := newHost()
	h.env["ECS_EXTERNAL"] = "true"
	h.userData = `{"ECSAgentConfiguration":{"Cluster":"c"}}`
	if cfg := h.load(t); cfg.Cluster != "" {
		t.Errorf("cluster %q from user data", cfg.Cluster)
	}
	if len(h.metadataCalls) > 0 {
		t.Errorf("asked %v", h.metadataCalls)
	}
	if !h.logged("warn Unable to fetch user data: blackholed") {
		t.Errorf("log %q", h.log)
	}
}

func TestNoRegionFromPlacementIsFatal(t *testing.T) {
	h := newHost()
	h.env = nil
	h.files[defaultConfigFile] = `{"NoIID":true}`
	_, err := Load(t.Context(), h.sources())
	if !errors.Is(err, errNoMetadata) {
		t.Errorf("error %v", err)
	}
}

func TestMetadataIsAskedForUserDataAlways(t *testing.T) {
	h := newHost()
	h.load(t)
	if diff := gocmp.Diff([]string{"user-data"}, h.metadataCalls); diff != "" {
		t.Error(diff)
	}
}

// A metadata service that hangs delays the start by seconds, not for ever.
func TestMetadataCallsHaveADeadline(t *testing.T) {
	h := newHost()
	src := h.sources()
	src.Metadata = deadlineMetadata{t}
	if _, err := Load(context.Background(), src); err != nil {
		t.Fatal(err)
	}
}

type deadlineMetadata struct{ t *testing.T }

func (m deadlineMetadata) UserData(ctx context.Context) (string, error) {
	if d, ok := ctx.Deadline(); !ok || time.Until(d) > metadataTimeout {
		m.t.Errorf("deadline %v, %v", d, ok)
	}
	return "", errNoMetadata
}
func (deadlineMetadata) IdentityRegion(context.Context) (string, error)  { return "", errNoMetadata }
func (deadlineMetadata) PlacementRegion(context.Context) (string, error) { return "", errNoMetadata }

func TestUnreadableFile(t *testing.T) {
	h := newHost()
	h.fileErrs = map[string]error{defaultConfigFile: &os.PathError{Op: "open", Path: defaultConfigFile, Err: os.ErrPermission}}
	h.load(t)
	if !h.logged("Ignoring the configuration file") {
		t.Errorf("log %q", h.log)
	}

	h.fileErrs = map[string]error{defaultConfigFile: &os.PathError{Op: "read", Path: defaultConfigFile, Err: errors.New("input/output error")}}
	if _, err := Load(t.Context(), h.sources()); err == nil || !strings.Contains(err.Error(), "read "+defaultConfigFile) {
		t.Errorf("error %v", err)
	}
}

func TestTheZeroSourcesAreAHostWithoutAnything(t *testing.T) {
	_, err := Load(t.Context(), Sources{Log: func(logger.Level, string) {}})
	if want := "Multiple error:\n\t0: Missing required fields: AWSRegion"; err == nil || err.Error() != want {
		t.Errorf("got %v, want %v", err, want)
	}
}

func TestUnknownAndLegacyVariables(t *testing.T) {
	h := newHost()
	h.env["ECS_CLUTSER"] = "prod"
	h.env["ECS_BACKEND_PORT"] = "1"
	h.env["ECS_LOGLEVEL"] = "info"
	h.env["ECS_AGENT_LABELS"] = ""
	h.env["HOME"] = "/root"
	h.load(t)
	for _, want := range []string{"warn Unknown environment variable ECS_CLUTSER is ignored", "warn ECS_BACKEND_PORT has no effect any more"} {
		if !h.logged(want) {
			t.Errorf("no %q in %q", want, h.log)
		}
	}
	for _, not := range []string{"ECS_LOGLEVEL", "ECS_AGENT_LABELS", "HOME"} {
		if h.logged(not) {
			t.Errorf("%s is told in %q", not, h.log)
		}
	}
}

func TestAPlainHostLogsNoWarningButUserData(t *testing.T) {
	h := newHost()
	h.load(t)
	for _, line := range h.log {
		if strings.HasPrefix(line, "warn") && !strings.Contains(line, "user data") || strings.HasPrefix(line, "error") {
			t.Error(line)
		}
	}
}

func TestLoadedConfigIsLoggedWithoutSecrets(t *testing.T) {
	h := newHost()
	h.env["ECS_CLUSTER"] = "prod"
	h.env["ECS_DATADIR"] = "/data"
	h.env["ECS_ENGINE_AUTH_DATA"] = `{"a":{"password":"hunter2"}}`
	cfg := h.load(t)
	if !h.logged("debug Loaded config: Cluster: prod, Region: us-west-2, DataDir: /data, Checkpoint: true, ") {
		t.Errorf("log %q", h.log)
	}
	asJSON, err := json.Marshal(cfg)
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range append(h.log, string(asJSON), cfg.String(), fmt.Sprintf("%v %+v %#v %s", *cfg, *cfg, *cfg, cfg),
		fmt.Sprintf("%v %+v %#v %s %q %x %d", cfg.EngineAuthData, cfg.EngineAuthData, cfg.EngineAuthData, cfg.EngineAuthData, cfg.EngineAuthData, cfg.EngineAuthData, cfg.EngineAuthData)) {
		if strings.Contains(text, "hunter") || strings.Contains(text, fmt.Sprintf("%x", "hunter")) || strings.Contains(text, "104 117") {
			t.Errorf("secret in %s", text)
		}
	}
	if string(cfg.EngineAuthData.Contents()) != h.env["ECS_ENGINE_AUTH_DATA"] {
		t.Errorf("contents %s", cfg.EngineAuthData.Contents())
	}
}

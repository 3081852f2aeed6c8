package config

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/aws/amazon-ecs-agent/agent/logger"
)

const (
	// metadataTimeout bounds each question to the metadata service, whatever the service's client does.
	metadataTimeout = 5 * time.Second

	defaultMetadataRate  = 40
	defaultMetadataBurst = 60

	// prometheusPort is reserved by ECS_ENABLE_PROMETHEUS_METRICS.
	prometheusPort = 51680

	envMetadataLimit = "ECS_TASK_METADATA_RPS_LIMIT"
	envEBS           = "ECS_EBSTA_SUPPORTED"
)

// errExternalWithoutRegion is reported alone: on such a host nothing else can tell the region.
const errExternalWithoutRegion = fatalText("AWS_DEFAULT_REGION has to be set when running on external capacity")

// Load reads, merges and validates the configuration. An error is fatal, but worth a restart of the process: what is
// missing may come from instance metadata later. Everything else that is wrong is logged and replaced by a default.
func Load(ctx context.Context, src Sources) (*Config, error) {
	src = src.withDefaults()
	l := &loader{Sources: src, platform: linux()}
	if src.GOOS == "windows" {
		l.platform = windows(l.get("ProgramData"), l.get("ProgramFiles"))
	}
	l.rows = all(settings(l.platform))
	return l.load(ctx)
}

// layer holds the values one source gives, by Config field.
type layer map[string]any

type loader struct {
	Sources
	platform platform
	rows     []setting
	errs     multiError
}

func (l *loader) load(ctx context.Context) (*Config, error) {
	l.warnUnknownVariables()
	env, errs := l.environment()
	if len(errs) > 0 {
		l.errs = append(l.errs, errs)
	}
	if external, _ := env["External"].(bool); external {
		if env["AWSRegion"] == nil {
			return nil, errExternalWithoutRegion
		}
		l.Metadata = blackhole{}
	}

	layers := []layer{env, l.file(), l.userData(ctx)}
	cfg := &Config{}
	l.merge(cfg, layers)
	if cfg.AWSRegion == "" {
		cfg.AWSRegion = l.region(ctx, cfg.NoIID)
	}
	for _, s := range l.rows {
		if s.trim {
			trimField(cfg, s.fieldName())
		}
	}
	l.applyDefaults(cfg, layers)
	l.validate(cfg)
	l.finish(cfg)
	l.warnNotSupported(layers)

	if err := l.errs.asError(); err != nil {
		return nil, err
	}
	l.Log(logger.LevelDebug, "Loaded config: "+cfg.String())
	return cfg, nil
}

func (l *loader) get(name string) string {
	v, _ := l.Lookup(name)
	return v
}

func (l *loader) warnf(format string, args ...any) {
	l.Log(logger.LevelWarn, fmt.Sprintf(format, args...))
}

func (l *loader) errorf(format string, args ...any) {
	l.Log(logger.LevelError, fmt.Sprintf(format, args...))
}

// environment parses every variable. An empty one is the same as none.
func (l *loader) environment() (layer, multiError) {
	values := layer{}
	var errs multiError
	for _, s := range l.rows {
		text := l.get(s.env)
		if s.env == "" || text == "" || s.kind.parse == nil {
			continue
		}
		v, err := s.kind.parse(text)
		switch {
		case err != nil && s.fatalFormat != "":
			errs = append(errs, fatalText(fmt.Sprintf(s.fatalFormat, err)))
		case err != nil && s.kind.complaint != nil:
			l.warnf("%s", s.kind.complaint(s.env, text, err))
		case err != nil:
			l.warnf("Invalid value %q for %s, using %s. Allowed: %s. err %v", text, s.env, s.defaultText(), s.allowedText(), err)
		default:
			values[s.fieldName()] = l.raise(s, text, v)
		}
	}
	l.metadataLimit(values)
	l.ebsSupport(values)
	return values, errs
}

// raise lifts a duration of the environment to its minimum.
func (l *loader) raise(s setting, text string, v any) any {
	d, ok := v.(time.Duration)
	if !ok || d == 0 || d >= s.envMin || s.envMin == 0 {
		return v
	}
	l.warnf("Invalid value %s for %s, using the minimum %s", text, s.env, shortDuration(s.envMin))
	return s.envMin
}

// metadataLimit reads the variable that holds two settings.
func (l *loader) metadataLimit(values layer) {
	text := l.get(envMetadataLimit)
	if text == "" {
		return
	}
	numbers := strings.Split(text, ",")
	if len(numbers) == 2 {
		rate, err1 := strconv.Atoi(strings.TrimSpace(numbers[0]))
		burst, err2 := strconv.Atoi(strings.TrimSpace(numbers[1]))
		if err1 == nil && err2 == nil {
			values["TaskMetadataSteadyStateRate"], values["TaskMetadataBurstRate"] = rate, burst
			return
		}
	}
	l.warnf("Invalid value %q for %s; expected two integers like 40,60. Using the default", text, envMetadataLimit)
}

// ebsSupport makes the variable's default an explicit true: only a false variable lets the file be seen.
func (l *loader) ebsSupport(values layer) {
	if on, err := strconv.ParseBool(strings.TrimSpace(l.get(envEBS))); err != nil || on {
		values["EBSTASupportEnabled"] = true
	}
}

// merge sets every field to the value of the first source that has one. Maps and lists are taken whole.
func (l *loader) merge(cfg *Config, layers []layer) {
	for _, s := range l.rows {
		for _, values := range layers {
			if v, ok := values.value(s); ok {
				setField(cfg, s.fieldName(), v)
				break
			}
		}
	}
}

// value returns the value of s, unless the source has none or one that counts as unset.
func (values layer) value(s setting) (v any, ok bool) {
	v, ok = values[s.fieldName()]
	if !ok || s.kind.decode == nil || s.kind.unset != nil && s.kind.unset(v) {
		return nil, false
	}
	return v, true
}

// given tells whether any source gave the field a value.
func given(s setting, layers []layer) bool {
	for _, values := range layers {
		if _, ok := values.value(s); ok {
			return true
		}
	}
	return false
}

// region asks instance metadata. The two ways to fail differ: without an identity document the agent cannot do anything
// about it and stops; otherwise the missing region stops it in validate.
func (l *loader) region(ctx context.Context, noIID bool) string {
	ctx, cancel := context.WithTimeout(ctx, metadataTimeout)
	defer cancel()
	if noIID {
		region, err := l.Metadata.PlacementRegion(ctx)
		if err != nil {
			l.errs = append(l.errs, fmt.Errorf("region from instance metadata (set AWS_DEFAULT_REGION to do without): %w", err))
		}
		return region
	}
	region, err := l.Metadata.IdentityRegion(ctx)
	if err != nil {
		l.Log(logger.LevelCritical, fmt.Sprintf("Unable to communicate with EC2 Metadata service to infer region: %v", err))
	}
	return region
}

// applyDefaults gives every field no source gave a value to its default, computed ones last.
func (l *loader) applyDefaults(cfg *Config, layers []layer) {
	for _, s := range l.rows {
		if s.def != nil && !given(s, layers) {
			setField(cfg, s.fieldName(), s.def)
		}
	}

	isGiven := func(env string) bool {
		s, _ := byName(l.rows, env)
		return given(s, layers)
	}
	cfg.FIPSEnabled = l.fipsEnabled()
	cfg.InstanceIPCompatibility = l.ipCompatibility()
	cfg.DetailedOSFamily = "LINUX"
	if v, set := l.Lookup("ECS_DETAILED_OS_FAMILY"); set {
		cfg.DetailedOSFamily = v
	}
	if !isGiven("ECS_CHECKPOINT") {
		cfg.Checkpoint = l.get("ECS_DATADIR") != ""
	}
	if !isGiven("ECS_DYNAMIC_HOST_PORT_RANGE") {
		cfg.DynamicHostPortRange = l.kernelPortRange()
	}
	if !isGiven("ECS_EXCLUDE_IPV6_PORTBINDING") {
		cfg.ShouldExcludeIPv6PortBinding = !cfg.InstanceIPCompatibility.IPv6Only()
	}
	if !isGiven("ECS_ENABLE_HIGH_DENSITY_ENI") {
		cfg.ENITrunkingEnabled = true
	}
	if l.platform.windows && cfg.TaskIAMRoleEnabled && !isGiven("ECS_RESERVED_PORTS") {
		// The credentials endpoint of tasks is reached through port 80 of the host there.
		cfg.ReservedPorts = append(cfg.ReservedPorts, 80)
	}
}

// kernelPortRange is the range the kernel takes ports of outgoing connections from.
func (l *loader) kernelPortRange() string {
	b, err := l.ReadFile("/proc/sys/net/ipv4/ip_local_port_range")
	if err == nil {
		text := strings.Join(strings.Fields(string(b)), "-")
		if _, _, err = splitPortRange(text); err == nil {
			return text
		}
	}
	if !l.platform.windows {
		l.warnf("Cannot read the kernel's dynamic port range, using %s: %v", l.platform.portRange, err)
	}
	return l.platform.portRange
}

// fipsEnabled reports whether the kernel runs in FIPS mode.
func (l *loader) fipsEnabled() bool {
	if l.platform.windows {
		return false
	}
	b, err := l.ReadFile("/proc/sys/crypto/fips_enabled")
	return err == nil && strings.TrimSpace(string(b)) == "1"
}

// finish derives what follows from the merged values.
func (l *loader) finish(cfg *Config) {
	if e := cfg.APIEndpoint; e != "" && !strings.HasPrefix(e, "http://") && !strings.HasPrefix(e, "https://") {
		cfg.APIEndpoint = "https://" + e
	}
	if cfg.External {
		cfg.NoIID = true
	}
	if cfg.PrometheusMetricsEnabled && !l.platform.windows {
		cfg.ReservedPorts = append(cfg.ReservedPorts[:len(cfg.ReservedPorts):len(cfg.ReservedPorts)], prometheusPort)
	}
	cfg.ENITrunkingEnabled = cfg.ENITrunkingEnabled && cfg.TaskENIEnabled
	cfg.GMSACapable, cfg.GMSADomainlessCapable = l.gmsa(cfg.GMSACapable)
	cfg.FSxWindowsFileServerCapable = false
	if l.platform.windows {
		l.dropLinuxFeatures(cfg)
	} else {
		l.dropWindowsFeatures(cfg)
	}
}

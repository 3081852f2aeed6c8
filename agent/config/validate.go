package config

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"time"
)

// loggingDrivers are the names ECS_AVAILABLE_LOGGING_DRIVERS may contain.
var loggingDrivers = []string{
	"json-file", "syslog", "journald", "gelf", "fluentd", "awslogs", "splunk", "logentries", "sumologic", "none", "awsfirelens",
}

const (
	minPollingWait = 5 * time.Second
	maxPollingWait = 20 * time.Second
)

// validate replaces values out of range and adds the first fatal finding to the errors.
func (l *loader) validate(cfg *Config) {
	l.clamp(cfg)
	if err := l.fatal(cfg); err != nil {
		l.errs = append(l.errs, err)
	}
}

// clamp replaces what is below its minimum by the default.
func (l *loader) clamp(cfg *Config) {
	if cfg.TaskMetadataSteadyStateRate <= 0 || cfg.TaskMetadataBurstRate <= 0 {
		l.warnf("Invalid value %d,%d for %s; both must be above 0. Using %d,%d", cfg.TaskMetadataSteadyStateRate, cfg.TaskMetadataBurstRate,
			envMetadataLimit, defaultMetadataRate, defaultMetadataBurst)
		cfg.TaskMetadataSteadyStateRate, cfg.TaskMetadataBurstRate = defaultMetadataRate, defaultMetadataBurst
	}

	for _, s := range l.rows {
		n, isNumber := int64(0), false
		if s.kind.decode != nil {
			n, isNumber = number(cfg, s.fieldName())
		}
		if !isNumber || n >= s.min || s.fatalName != "" {
			continue
		}
		allowed := s.allowedText()
		if s.min == 0 {
			allowed += ", not negative"
		}
		l.warnf("Invalid value %v for %s, using the default %s. Allowed: %s", valueOf(cfg, s.fieldName()), s.name(), s.defaultText(), allowed)
		setField(cfg, s.fieldName(), s.defaultValue(cfg))
	}

	switch d := cfg.PollingMetricsWaitDuration; {
	case cfg.PollMetrics && d < minPollingWait:
		l.warnf("ECS_POLLING_METRICS_WAIT_DURATION parsed value (%s) is less than the minimum of %s. Setting polling interval to minimum.", d, minPollingWait)
		cfg.PollingMetricsWaitDuration = minPollingWait
	case cfg.PollMetrics && d > maxPollingWait:
		l.warnf("ECS_POLLING_METRICS_WAIT_DURATION parsed value (%s) is greater than the maximum of %s. Setting polling interval to maximum.", d, maxPollingWait)
		cfg.PollingMetricsWaitDuration = maxPollingWait
	}
	if n := cfg.TaskPidsLimit; n > maxPidsLimit {
		l.warnf("Invalid value %d for ECS_TASK_PIDS_LIMIT, using none. Allowed: 1–%d", n, maxPidsLimit)
		cfg.TaskPidsLimit = 0
	}
	for _, port := range []uint16{51678, 51679} {
		if !slices.Contains(cfg.ReservedPorts, port) {
			l.warnf("ECS_RESERVED_PORTS does not contain %d, which the agent listens on; a task that asks for it will fail", port)
		}
	}
}

// fatal returns the first reason not to start. The error texts are fixed by contract, so the remedy is logged beside them.
func (l *loader) fatal(cfg *Config) error {
	if cfg.AWSRegion == "" {
		l.errorf("No source gives a region: set AWS_DEFAULT_REGION, or AWSRegion in the configuration file")
		return fatalText("Missing required fields: AWSRegion")
	}
	for _, s := range l.rows {
		if s.fatalName == "" {
			continue
		}
		if n, _ := number(cfg, s.fieldName()); n < s.min {
			l.errorf("Invalid value %v for %s (%s). Allowed: %s", time.Duration(n), s.key, s.env, s.allowedText())
			return fmt.Errorf("config: invalid value for %s: %v", s.fatalName, time.Duration(n))
		}
	}
	var unknown []string
	for _, name := range cfg.AvailableLoggingDrivers {
		if !slices.Contains(loggingDrivers, name) {
			unknown = append(unknown, name)
		}
	}
	if len(unknown) > 0 {
		l.errorf("Invalid value %q for ECS_AVAILABLE_LOGGING_DRIVERS. Allowed: a list of %s", unknown, strings.Join(loggingDrivers, ", "))
		return fatalText("Invalid logging drivers: " + strings.Join(unknown, ", "))
	}
	return nil
}

// defaultValue returns the default as a value of the field's type.
func (s setting) defaultValue(cfg *Config) any {
	if s.def != nil {
		return s.def
	}
	return reflect.Zero(reflect.TypeOf(valueOf(cfg, s.fieldName()))).Interface()
}

func valueOf(cfg *Config, field string) any {
	return reflect.ValueOf(cfg).Elem().FieldByName(field).Interface()
}

// trimField removes white space around a string field.
func trimField(cfg *Config, field string) {
	f := reflect.ValueOf(cfg).Elem().FieldByName(field)
	f.SetString(strings.TrimSpace(f.String()))
}

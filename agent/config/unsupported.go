package config

import (
	"strconv"
	"strings"
)

// notSupportedYet lists the settings that are read, but whose feature is not built. Each one that is used is logged once.
// Building a feature means deleting its lines.
var notSupportedYet = []pending{
	// Volumes and accounts.
	{"ECS_GMSA_SUPPORTED", whenTrue},
	{"ECS_FSX_WINDOWS_FILE_SERVER_SUPPORTED", whenTrue},
	{"ECS_EBSTA_SUPPORTED", whenTrue},
	{"CSIDriverSocketPath", whenGiven},
	{"NodeStageTimeout", whenGiven},
	{"NodeUnstageTimeout", whenGiven},
	// Metrics and metadata.
	{"IMDSIAMRolesEnabled", whenTrue},
}

// pending names a setting by its variable, or by its JSON key when it has none, and says which use of it is told.
type pending struct {
	name string
	when use
}

type use int

const (
	// whenGiven: any value, from any source.
	whenGiven use = iota
	// whenTrue: a switch that is turned on; turning it off asks for nothing.
	whenTrue
)

// usedIn reports whether the environment or another source uses the setting s in the way p tells about.
func (p pending) usedIn(env string, s setting, layers []layer) bool {
	env = strings.TrimSpace(env)
	if on, err := strconv.ParseBool(env); env != "" && (p.when == whenGiven || err == nil && on) {
		return true
	}
	for _, values := range layers[1:] {
		v, ok := values.value(s)
		if ok && (p.when == whenGiven || v == true || v == Toggle{Enabled: true, Explicit: true}) {
			return true
		}
	}
	return false
}

// warnNotSupported tells about every used setting without a feature. layers[0] is the environment.
func (l *loader) warnNotSupported(layers []layer) {
	for _, p := range notSupportedYet {
		s, ok := byName(l.rows, p.name)
		if ok && p.usedIn(l.get(s.env), s, layers) {
			l.warnf("not supported yet: %s", p.name)
		}
	}
}

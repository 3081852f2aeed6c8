package docker

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// apiVersion is a version of the Docker Engine API, such as 1.41.
type apiVersion struct{ major, minor int }

// The versions this agent knows are 1.17 … 1.44, one by one. 1.21 is the oldest it works with.
var (
	oldestKnown  = apiVersion{1, 17}
	newestKnown  = apiVersion{1, 44}
	oldestUsed   = apiVersion{1, 21}
	extendsFrom  = apiVersion{1, 24} // from this minimum on, older versions count as supported although the daemon refuses them
	distribution = apiVersion{1, 35} // GET /distribution: older engines may pull from registries it does not work with
)

func (v apiVersion) String() string { return strconv.Itoa(v.major) + "." + strconv.Itoa(v.minor) }

func (v apiVersion) less(than apiVersion) bool {
	if v.major != than.major {
		return v.major < than.major
	}
	return v.minor < than.minor
}

func (v apiVersion) known() bool { return !v.less(oldestKnown) && !newestKnown.less(v) }

// parseAPIVersion reads "1.41".
func parseAPIVersion(s string) (apiVersion, bool) {
	majorText, minorText, found := strings.Cut(s, ".")
	major, errMajor := strconv.ParseUint(majorText, 10, 16)
	minor, errMinor := strconv.ParseUint(minorText, 10, 16)
	if !found || errMajor != nil || errMinor != nil {
		return apiVersion{}, false
	}
	return apiVersion{int(major), int(minor)}, true
}

// Why a daemon cannot be used; Connect wraps one of them. The caller decides what that means for the process.
var (
	// ErrNoDaemon says that nothing answers at the endpoint.
	ErrNoDaemon = errors.New("docker client factory: no Docker daemon answers; start it or correct DOCKER_HOST")
	// ErrDaemonTooOld says that the daemon's newest API version is below 1.21.
	ErrDaemonTooOld = errors.New("docker client factory: client not found for docker version: 1.21; upgrade Docker to 1.9 or newer")
	// ErrDaemonTooNew says that the daemon's oldest API version is above 1.44.
	ErrDaemonTooNew = errors.New("docker client factory: the daemon does not speak any API version up to 1.44; " +
		"lower its minimum API version or upgrade this agent")
)

// versions are the API versions that agent and daemon have in common.
type versions struct {
	// lowest and highest usable version.
	lowest, highest apiVersion
	// minimum is the version of create and start calls that ask for nothing newer: what a daemon fills in for values left
	// out depends on the API version, so it stays as old as it can be.
	minimum apiVersion
}

// commonVersions finds the usable versions of a daemon that speaks first … last. A daemon that does not say its first
// one (Docker before 1.13) speaks everything below its last.
func commonVersions(first, last string) (versions, error) {
	newest, ok := parseAPIVersion(last)
	if !ok {
		return versions{}, fmt.Errorf("%w: it says its API version is %q", ErrNoDaemon, last)
	}
	oldest, ok := parseAPIVersion(first)
	if !ok {
		oldest = oldestKnown
	}
	v := versions{lowest: oldest, highest: newest}
	if v.lowest.less(oldestKnown) {
		v.lowest = oldestKnown
	}
	if newestKnown.less(v.highest) {
		v.highest = newestKnown
	}
	if v.highest.less(oldestUsed) {
		return versions{}, ErrDaemonTooOld
	}
	if v.highest.less(v.lowest) {
		return versions{}, ErrDaemonTooNew
	}
	v.minimum = oldestUsed
	if v.minimum.less(v.lowest) {
		v.minimum = v.lowest
	}
	return v, nil
}

// usable lists the versions of real calls, ascending.
func (v versions) usable() []string { return versionRange(v.lowest, v.highest) }

// extended adds the known versions below the minimum when that is at least 1.24: the service still asks for them in
// capabilities, and what they stood for still works.
func (v versions) extended() []string {
	if v.minimum.less(extendsFrom) {
		return v.usable()
	}
	return versionRange(oldestKnown, v.highest)
}

func versionRange(first, last apiVersion) []string {
	list := make([]string, 0, last.minor-first.minor+1)
	for minor := first.minor; minor <= last.minor; minor++ {
		list = append(list, apiVersion{1, minor}.String())
	}
	return list
}

// effective is the version for a container that asks for requested (dockerConfig.version): never below the minimum;
// what cannot be parsed counts as the minimum.
func (v versions) effective(requested string) (apiVersion, error) {
	want, ok := parseAPIVersion(requested)
	if !ok || want.less(v.minimum) {
		want = v.minimum
	}
	if !want.known() || v.highest.less(want) {
		return want, fmt.Errorf("docker client factory: client not found for docker version: %s", want)
	}
	return want, nil
}

// serverAtLeast compares a Docker server version ("20.10.24+dfsg1") with three numbers. A pre-release ("25.0.0-rc.1") is
// older than its release.
func serverAtLeast(server string, major, minor, patch int) (bool, error) {
	core, _, _ := strings.Cut(server, "+")
	core, pre, _ := strings.Cut(core, "-")
	parts := strings.Split(core, ".")
	if len(parts) != 3 {
		return false, fmt.Errorf("server version %q is not of the form major.minor.patch", server)
	}
	want := [3]int{major, minor, patch}
	for i, part := range parts {
		n, err := strconv.ParseUint(part, 10, 31)
		if err != nil {
			return false, fmt.Errorf("server version %q is not of the form major.minor.patch", server)
		}
		if int(n) != want[i] {
			return int(n) > want[i], nil
		}
	}
	return pre == "", nil
}

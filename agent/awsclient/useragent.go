package awsclient

import (
	"fmt"
	"runtime"
)

// UserAgent returns the User-Agent header of calls to the ECS API. commit is the short hash of the build; dirty says that
// it was built from a changed tree. osFamily is the detailed OS family, left out when empty.
func UserAgent(version, commit string, dirty bool, osFamily string) string {
	return userAgent(version, commit, dirty, runtime.GOOS, osFamily)
}

func userAgent(version, commit string, dirty bool, goos, osFamily string) string {
	if dirty {
		commit = "*" + commit
	}
	system := goos
	if osFamily != "" {
		system += "; " + osFamily
	}
	return fmt.Sprintf("Amazon ECS Agent - v%s (%s) (%s) (+http://aws.amazon.com/ecs/)", version, commit, system)
}

package plugin

import "github.com/aws/amazon-ecs-agent/agent/version"

// built is the time of the commit, RFC 3339, stamped by the Makefile.
var built = ""

// version is the plugin's answer to --version; agents make an attribute of their container instance of it.
func (p *Plugin) version() any {
	if p.Family.versionWithDirty {
		return struct {
			Version      string `json:"version"`
			Dirty        bool   `json:"dirty"`
			GitShortHash string `json:"gitShortHash"`
		}{version.Version, version.GitDirty, version.GitShortHash}
	}
	return struct {
		Version      string `json:"version"`
		GitShortHash string `json:"gitShortHash"`
		Built        string `json:"built"`
	}{version.Version, version.GitShortHash, built}
}

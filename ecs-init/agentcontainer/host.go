package agentcontainer

import (
	"os"
	"path/filepath"
	"strings"
)

// host looks at the host's file system.
type host struct{ root string }

func (h host) exists(path string) bool {
	_, err := os.Stat(filepath.Join(h.root, path))
	return err == nil
}

func (h host) isDir(path string) bool {
	info, err := os.Stat(filepath.Join(h.root, path))
	return err == nil && info.IsDir()
}

// cgroups is where the control groups are mounted. Amazon Linux 1 has them in /cgroup and an empty /sys/fs/cgroup.
func (h host) cgroups() string {
	const usual, old = "/sys/fs/cgroup", "/cgroup"
	if !h.hasEntries(usual) && h.hasEntries(old) {
		return old
	}
	return usual
}

func (h host) hasEntries(dir string) bool {
	d, err := os.Open(filepath.Join(h.root, dir))
	if err != nil {
		return false
	}
	defer d.Close()
	names, _ := d.Readdirnames(1)
	return len(names) > 0
}

// system is what /etc/os-release says about the operating system.
type system struct {
	family string // such as "amzn_2023"; "linux" when unknown
	// certificates is the host's directory of CA certificates, pki what has to be bound for it. Both are empty where the
	// bundle inside the image is used.
	certificates string
	pki          []string
}

func (h host) system() system {
	content, _ := os.ReadFile(filepath.Join(h.root, "/etc/os-release"))
	release := parseRelease(string(content))
	s := system{family: "linux"}
	if release.id != "" && release.version != "" {
		s.family = release.id + "_" + release.version
	}
	switch {
	case release.is("amzn"):
		s.certificates, s.pki = "/etc/pki/tls/certs", []string{"/etc/pki"}
	case release.is("debian", "ubuntu", "suse", "opensuse", "sles", "chainguard", "wolfi"):
		s.certificates, s.pki = "/etc/ssl/certs", []string{"/etc/ssl"}
	}
	return s
}

// release are the values of an os-release file that matter.
type release struct {
	id, version string
	like        []string
}

func parseRelease(text string) release {
	var r release
	for line := range strings.Lines(text) {
		name, value, _ := strings.Cut(line, "=")
		value = strings.Trim(strings.TrimSpace(value), `"'`)
		switch name {
		case "ID":
			r.id = value
		case "VERSION_ID":
			r.version = value
		case "ID_LIKE":
			r.like = strings.Fields(value)
		}
	}
	return r
}

// is reports whether the system is one of these or says that it is like one of them. Names may have a suffix
// ("opensuse-leap").
func (r release) is(names ...string) bool {
	own := append([]string{r.id}, r.like...)
	for _, name := range names {
		for _, id := range own {
			if id == name || strings.HasPrefix(id, name+"-") {
				return true
			}
		}
	}
	return false
}

// Package scripts holds shell scripts, and tests of those that change hosts of users.
package scripts

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// stubs are the commands of a host that the installer would change. Each writes its arguments into a log first.
var stubs = map[string]string{
	"id":               "echo 0",
	"uname":            "echo x86_64",
	"sleep":            "",
	"openssl":          "",
	"gpg":              `case "$*" in *--verify*) [ ! -e "$HOST/forged" ] || exit 1 ;; esac`,
	"apt":              "",
	"apt-get":          `[ ! -e "$HOST/no-$4" ]`,
	"nvidia-smi":       "",
	"ip":               `[ -e "$HOST/ipv6-only" ] && [ "$1" = -4 ] || echo default via somewhere`,
	"systemctl":        `[ "$1" != is-enabled ] || grep -qx "$3" "$HOST/enabled"`,
	"jq":               `shift 2; sed -n -e 's/.*"ContainerInstanceArn": *"\([^"]*\)".*/\1/p' -e 's/.*"instanceID": *"\([^"]*\)".*/\1/p' "$@"`,
	"dnf":              "", // only on hosts that are asked for it, as are the next ones
	"yum":              "",
	"zypper":           "",
	"docker":           "",
	"amazon-ssm-agent": "",
	"curl": `
while [ $# -gt 0 ]; do
	case $1 in
	--output) out=$2 && shift ;;
	--retry | --connect-timeout | --max-time) shift ;;
	-*) ;;
	*) url=$1 ;;
	esac
	shift
done
case $url in
*/v1/metadata) cat "$HOST/metadata" ;;
*.tar.gz) cp "$HOST/exec.tar.gz" "$out" ;;
*) [ ! -e "$HOST/no-$(basename "$url")" ] && echo "$url" >"$out" ;;
esac`,
}

// tools are those of every host, taken from this one.
var tools = []string{"bash", "sh", "sed", "tail", "head", "tr", "grep", "mkdir", "chmod", "cat", "cp", "rm", "dirname", "basename", "mktemp", "install", "find", "tar", "gzip"}

type host struct {
	t    *testing.T
	root string
}

// newHost is a Debian, or another system when system is not empty, with apt unless another package manager is asked for.
func newHost(t *testing.T, system string, commands ...string) host {
	t.Helper()
	h := host{t: t, root: t.TempDir()}
	if system == "" {
		system = "ID=debian\nVERSION_CODENAME=bookworm\n"
	}
	h.write("etc/os-release", system)
	h.write("etc/ssl/certs/ca-certificates.crt", "certificates")
	h.write("metadata", `{"Cluster":"c","ContainerInstanceArn":"arn:aws:ecs:instance"}`)
	h.write("enabled", "")
	h.write("exec.tar.gz", archive(t, "amazon-ssm-agent", "ssm-agent-worker", "ssm-session-worker"))
	for _, dir := range []string{"run/systemd/system", "bin", "etc/yum.repos.d", "etc/apt/sources.list.d"} {
		h.mkdir(dir)
	}
	if len(commands) == 0 {
		commands = []string{"apt", "apt-get"}
	}
	commands = append(commands, "id", "uname", "sleep", "openssl", "gpg", "nvidia-smi", "ip", "systemctl", "jq", "curl", "amazon-ssm-agent")
	for _, name := range commands {
		h.stub(name, stubs[name])
	}
	for _, name := range tools {
		path, err := exec.LookPath(name)
		if err != nil {
			t.Fatal(err)
		}
		h.must(os.Symlink(path, filepath.Join(h.root, "bin", name)))
	}
	return h
}

func (h host) must(err error) {
	h.t.Helper()
	if err != nil {
		h.t.Fatal(err)
	}
}

func (h host) mkdir(path string) { h.must(os.MkdirAll(filepath.Join(h.root, path), 0o755)) }

func (h host) write(path, content string) {
	h.mkdir(filepath.Dir(path))
	h.must(os.WriteFile(filepath.Join(h.root, path), []byte(content), 0o644))
}

func (h host) stub(name, body string) {
	path := filepath.Join(h.root, "bin", name)
	h.must(os.WriteFile(path, []byte("#!/bin/sh\necho \""+name+" $*\" >>\"$HOST/log\"\n"+body+"\n"), 0o755))
}

func (h host) remove(name string) { h.must(os.Remove(filepath.Join(h.root, "bin", name))) }

func (h host) read(path string) string {
	content, err := os.ReadFile(filepath.Join(h.root, path))
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		h.t.Error(err)
	}
	return string(content)
}

// install runs the installer; log are the commands it ran that matter.
func (h host) install(args ...string) (code int, output string, log []string) {
	h.t.Helper()
	cmd := exec.Command(filepath.Join(h.root, "bin/bash"), append([]string{"ecs-anywhere-install.sh"}, args...)...)
	work := filepath.Join(h.root, "tmp")
	h.mkdir("tmp")
	cmd.Env = []string{"PATH=" + filepath.Join(h.root, "bin"), "HOST=" + h.root, "ECS_ANYWHERE_ROOT=" + h.root, "TMPDIR=" + work}
	out, err := cmd.CombinedOutput()
	var ended *exec.ExitError
	if err != nil && !errors.As(err, &ended) {
		h.t.Fatal(err)
	}
	for line := range strings.Lines(h.read("log")) {
		line = strings.ReplaceAll(strings.TrimSpace(line), h.root, "")
		words := strings.Fields(line)
		switch {
		case words[0] == "curl":
			url := words[len(words)-1]
			if url != "http://localhost:51678/v1/metadata" {
				log = append(log, "curl "+url)
			}
		case !slices.Contains([]string{"id", "uname", "ip", "jq", "openssl"}, words[0]):
			log = append(log, temporary(line))
		}
	}
	if left, err := os.ReadDir(work); err != nil || len(left) > 0 {
		h.t.Errorf("left behind: %v, %v", left, err)
	}
	return cmd.ProcessState.ExitCode(), string(out), log
}

// temporary takes the random part out of the name of the working directory.
func temporary(line string) string {
	words := strings.Split(line, " ")
	for i, word := range words {
		if rest, ok := strings.CutPrefix(word, "/tmp/tmp."); ok {
			_, name, _ := strings.Cut(rest, "/")
			words[i] = "WORK/" + name
		}
	}
	return strings.Join(words, " ")
}

func archive(t *testing.T, names ...string) string {
	t.Helper()
	var b bytes.Buffer
	packed := gzip.NewWriter(&b)
	w := tar.NewWriter(packed)
	for _, name := range names {
		header := &tar.Header{Name: "bin/" + name, Mode: 0o700, Size: int64(len(name))}
		err := w.WriteHeader(header)
		if err == nil {
			_, err = w.Write([]byte(name))
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(w.Close(), packed.Close()); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

var activation = []string{"--region", "eu-west-1", "--activation-id", "id", "--activation-code", "code"}

func TestExternalInstance(t *testing.T) {
	h := newHost(t, "")
	h.write("etc/ecs/ecs.config", "ECS_LOGLEVEL=debug\n")
	code, output, log := h.install(append(slices.Clone(activation), "--cluster", "c", "--ecs-endpoint", "https://ecs.example", "--enable-gpu")...)
	if code != 0 || !strings.Contains(output, "container instance arn:aws:ecs:instance") || !strings.Contains(output, "eu-west-1.console.aws.amazon.com/ecs/v2/clusters/c/") {
		t.Errorf("exit code %d, output\n%s", code, output)
	}
	want := []string{
		"systemctl is-enabled --quiet snap.amazon-ssm-agent.amazon-ssm-agent.service",
		"nvidia-smi",
		"apt-get update",
		"apt-get install -y jq curl",
		"systemctl is-enabled --quiet amazon-ssm-agent",
		"curl https://s3.eu-west-1.amazonaws.com/amazon-ssm-eu-west-1/latest/debian_amd64/amazon-ssm-agent.deb",
		"curl https://s3.eu-west-1.amazonaws.com/amazon-ssm-eu-west-1/latest/debian_amd64/amazon-ssm-agent.deb.sig",
		"curl https://raw.githubusercontent.com/aws/amazon-ecs-agent/master/scripts/amazon-ssm-agent.gpg",
		"gpg --homedir WORK/keys --batch --quiet --import WORK/amazon-ssm-agent.gpg",
		"gpg --homedir WORK/keys --batch --quiet --verify WORK/amazon-ssm-agent.deb.sig WORK/amazon-ssm-agent.deb",
		"apt-get install -y --allow-downgrades WORK/amazon-ssm-agent.deb",
		"systemctl stop amazon-ssm-agent",
		"amazon-ssm-agent -register -code code -id id -region eu-west-1",
		"systemctl enable amazon-ssm-agent",
		"systemctl start amazon-ssm-agent",
		"apt-get install -y ca-certificates",
		"curl https://download.docker.com/linux/debian/gpg",
		"apt-get update",
		"apt-get install -y docker-ce docker-ce-cli containerd.io",
		"systemctl enable docker",
		"systemctl start docker",
		"curl https://s3.eu-west-1.amazonaws.com/amazon-ssm-eu-west-1/3.3.4108.0/linux_amd64/amazon-ssm-agent-binaries.tar.gz",
		"curl https://s3.eu-west-1.amazonaws.com/amazon-ecs-agent-eu-west-1/amazon-ecs-init-latest.amd64.deb",
		"curl https://s3.eu-west-1.amazonaws.com/amazon-ecs-agent-eu-west-1/amazon-ecs-init-latest.amd64.deb.asc",
		"gpg --homedir WORK/keys --batch --quiet --keyserver hkps://keyserver.ubuntu.com --recv-keys F34C3DDAE72926B079BEAEC6BCE9D9A42D51784F",
		"gpg --homedir WORK/keys --batch --quiet --verify WORK/amazon-ecs-init.deb.asc WORK/amazon-ecs-init.deb",
		"apt-get install -y --allow-downgrades WORK/amazon-ecs-init.deb",
		"systemctl enable ecs",
		"systemctl start ecs",
	}
	if diff := cmp.Diff(want, log); diff != "" {
		t.Error(diff)
	}
	for path, content := range map[string]string{
		"etc/ecs/ecs.config":                                                 "ECS_LOGLEVEL=debug\nECS_CLUSTER=c\n",
		"var/lib/ecs/ecs.config":                                             "AWS_DEFAULT_REGION=eu-west-1\nECS_EXTERNAL=true\nECS_BACKEND_HOST=https://ecs.example\nECS_ENABLE_GPU_SUPPORT=true\n",
		"etc/apt/sources.list.d/docker.list":                                 "deb [arch=amd64 signed-by=/etc/apt/keyrings/docker.asc] https://download.docker.com/linux/debian bookworm stable\n",
		"var/lib/ecs/deps/execute-command/certs/tls-ca-bundle.pem":           "certificates",
		"var/lib/ecs/deps/execute-command/bin/3.3.4108.0/ssm-session-worker": "ssm-session-worker",
	} {
		if got := h.read(path); got != content {
			t.Errorf("%s has %q", path, got)
		}
	}
}

func TestWhatIsThereStays(t *testing.T) {
	h := newHost(t, "", "apt", "apt-get", "docker")
	h.write("enabled", "amazon-ssm-agent\n")
	h.write("var/lib/amazon/ssm/Vault/Store/RegistrationKey", `{"instanceID":"mi-1"}`)
	h.write("etc/ecs/ecs.config", "ECS_CLUSTER=mine\n")
	h.write("usr/libexec/amazon-ecs-init", "")
	h.must(os.Chmod(filepath.Join(h.root, "usr/libexec/amazon-ecs-init"), 0o755))
	code, output, log := h.install(append(slices.Clone(activation), "--cluster", "other")...)
	if code != 0 || h.read("etc/ecs/ecs.config") != "ECS_CLUSTER=mine\n" || h.read("var/lib/ecs/ecs.config") != "" {
		t.Errorf("exit code %d, output\n%s", code, output)
	}
	for _, line := range log {
		for _, word := range []string{"-register", "docker-ce", "amazon-ecs-init", "amazon-ssm-agent.deb"} {
			if strings.Contains(line, word) {
				t.Errorf("did %s", line)
			}
		}
	}
}

func TestOptionsOfTheInstaller(t *testing.T) {
	const amazonLinux, fedora, centos, suse = "ID=\"amzn\"\n", "ID=fedora\n", "ID=\"centos\"\n", "ID=opensuse-leap\n"
	for _, test := range []struct {
		name    string
		os      string
		manager string
		prepare func(h host)
		args    []string // behind the activation
		does    []string // parts of the log
		doesNot []string
		says    string
	}{
		{name: "nothing is started", args: []string{"--no-start"}, does: []string{"systemctl enable amazon-ssm-agent"}, doesNot: []string{"systemctl start", "systemctl enable ecs"}},
		{name: "no signatures", args: []string{"--skip-gpg-check"}, does: []string{"amazon-ecs-init-latest.amd64.deb"}, doesNot: []string{"gpg --", ".asc", ".sig"}},
		{name: "another version", args: []string{"--ecs-version", "1.2.3-1"}, does: []string{"/amazon-ecs-init-1.2.3-1.amd64.deb"}},
		{name: "another place", args: []string{"--deb-url", "https://example.com/x.deb"}, does: []string{"curl https://example.com/x.deb", "curl https://example.com/x.deb.asc"}},
		{name: "Docker of the distribution", args: []string{"--docker-install-source", "distro"}, does: []string{"apt-get install -y docker.io"}, doesNot: []string{"download.docker.com"}},
		{name: "its repositories fail", prepare: func(h host) { h.write("no-gpg", "") }, does: []string{"apt-get install -y docker.io"}, says: "trying the package of the distribution"},
		{name: "arm64", prepare: func(h host) { h.stub("uname", "echo aarch64") }, does: []string{"debian_arm64/amazon-ssm-agent.deb", "amazon-ecs-init-latest.arm64.deb", "linux_arm64/"}},
		{name: "IPv6 alone", prepare: func(h host) { h.write("ipv6-only", "") }, does: []string{"https://s3.dualstack.eu-west-1.amazonaws.com/amazon-ecs-agent-eu-west-1/"}},
		{name: "IPv6 alone, but told otherwise", prepare: func(h host) { h.write("ipv6-only", "") }, args: []string{"--ip-compatibility", "ipv4"}, doesNot: []string{"dualstack"}},
		{name: "no command ip", prepare: func(h host) { h.remove("ip") }, doesNot: []string{"dualstack"}, says: "assuming that this host uses IPv4"},
		{name: "China", args: []string{"--region", "cn-north-1"}, does: []string{"https://s3.cn-north-1.amazonaws.com.cn/amazon-ecs-agent-cn-north-1/"}},
		{name: "the European sovereign cloud has no dual stack", args: []string{"--region", "eusc-de-east-1", "--ip-compatibility", "ipv6"}, does: []string{"https://s3.eusc-de-east-1.amazonaws.eu/amazon-ecs-agent-eusc-de-east-1/"}},
		{name: "Amazon Linux", os: amazonLinux, manager: "dnf", does: []string{"dnf install -y jq", "linux_amd64/amazon-ssm-agent.rpm", "dnf install -y docker", "amazon-ecs-init-latest.x86_64.rpm", "dnf install -y WORK/amazon-ecs-init.rpm"}},
		{name: "Amazon Linux needs no EPEL", os: amazonLinux, manager: "yum", doesNot: []string{"epel"}},
		{name: "CentOS", os: centos, manager: "yum", does: []string{"yum install -y epel-release", "curl https://download.docker.com/linux/centos/docker-ce.repo", "yum install -y docker-ce"}},
		{name: "Fedora", os: fedora, manager: "dnf", does: []string{"curl https://download.docker.com/linux/fedora/docker-ce.repo"}},
		{name: "SUSE", os: suse, manager: "zypper", does: []string{"zypper install -y docker", "zypper --non-interactive install --allow-unsigned-rpm WORK/amazon-ecs-init.rpm"}},
		{name: "the SSM agent is a snap", prepare: func(h host) {
			h.write("enabled", "snap.amazon-ssm-agent.amazon-ssm-agent.service\n")
			h.write("var/lib/amazon/ssm/Vault/Store/RegistrationKey", `{"instanceID":"mi-1"}`)
		}, does: []string{"systemctl start snap.amazon-ssm-agent.amazon-ssm-agent.service"}, doesNot: []string{"amazon-ssm-agent.deb"}},
		{name: "the SSM agent is registered", prepare: func(h host) { h.write("enabled", "amazon-ssm-agent\n") }, args: []string{"--skip-registration"}, doesNot: []string{"-register", "start amazon-ssm-agent"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			managers := []string{"apt", "apt-get"}
			if test.manager != "" {
				managers = []string{test.manager}
			}
			h := newHost(t, test.os, managers...)
			if test.prepare != nil {
				test.prepare(h)
			}
			code, output, lines := h.install(append(slices.Clone(activation), test.args...)...)
			if code != 0 || !strings.Contains(output, test.says) {
				t.Errorf("exit code %d, output\n%s", code, output)
			}
			log := strings.Join(lines, "\n") + "\n"
			for _, part := range test.does {
				if !strings.Contains(log, part) {
					t.Errorf("did not %s:\n%s", part, log)
				}
			}
			for _, part := range test.doesNot {
				if strings.Contains(log, part) {
					t.Errorf("did %s:\n%s", part, log)
				}
			}
		})
	}
}

func TestWhatTheInstallerRefuses(t *testing.T) {
	for _, test := range []struct {
		name    string
		os      string
		prepare func(h host)
		args    []string
		says    string
	}{
		{name: "no region", args: []string{"--cluster", "c"}, says: "--region is required"},
		{name: "no activation", args: []string{"--region", "r"}, says: "--activation-id and --activation-code are required"},
		{name: "an empty variable", args: []string{"--region", "--cluster", "c"}, says: "Option --region was passed an invalid value: --cluster. Perhaps you passed in an empty env var?"},
		{name: "an unknown option", args: []string{"--what"}, says: "invalid option: [--what]"},
		{name: "an unknown source of Docker", args: append(slices.Clone(activation), "--docker-install-source", "x"), says: "must be all, docker, distro or none, not x"},
		{name: "an unknown kind of addresses", args: append(slices.Clone(activation), "--ip-compatibility", "x"), says: "must be ipv4 or ipv6, not x"},
		{name: "not root", prepare: func(h host) { h.stub("id", "echo 1000") }, args: activation, says: "must run as root"},
		{name: "no systemd", prepare: func(h host) { h.must(os.Remove(filepath.Join(h.root, "run/systemd/system"))) }, args: activation, says: "does not run systemd"},
		{name: "another architecture", prepare: func(h host) { h.stub("uname", "echo riscv64") }, args: activation, says: "unsupported architecture riscv64"},
		{name: "Red Hat with Docker", os: "ID=\"rhel\"\n", args: activation, says: "--docker-install-source none"},
		{name: "no package manager", prepare: func(h host) { h.remove("apt") }, args: activation, says: "none of the package managers"},
		{name: "a broken GPU", prepare: func(h host) { h.stub("nvidia-smi", "exit 1") }, args: append(slices.Clone(activation), "--enable-gpu"), says: "nvidia-smi does not work"},
		{name: "an SSM agent that is not there", args: []string{"--region", "r", "--skip-registration"}, says: "the service amazon-ssm-agent is not enabled"},
		{name: "a forged package", prepare: func(h host) { h.write("forged", "") }, args: activation, says: "the signature of amazon-ssm-agent.deb is not good"},
		{name: "a package that is not there", prepare: func(h host) { h.write("no-amazon-ecs-init-latest.amd64.deb", "") }, args: activation, says: "could not download https://s3.eu-west-1"},
		{name: "no Docker", args: append(slices.Clone(activation), "--docker-install-source", "none"), says: "there is no Docker"},
		{name: "Docker of Fedora", os: "ID=fedora\n", args: append(slices.Clone(activation), "--docker-install-source", "distro"), says: "does not work with SELinux"},
		{name: "a command fails", prepare: func(h host) { h.stub("amazon-ssm-agent", "exit 3") }, args: activation, says: "-register -code"},
		{name: "no registration with ECS", prepare: func(h host) { h.write("metadata", `{"ContainerInstanceArn":null}`) }, args: activation, says: "/var/log/ecs/ecs-agent.log"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			h := newHost(t, test.os)
			if test.prepare != nil {
				test.prepare(h)
			}
			code, output, _ := h.install(test.args...)
			if code != 1 || !strings.Contains(output, test.says) || !strings.Contains(output, "\x1b[0;31mInstallation Failed\x1b[0m") {
				t.Errorf("exit code %d, output\n%s", code, output)
			}
		})
	}
	h := newHost(t, "")
	if code, output, log := h.install("--help"); code != 0 || !strings.Contains(output, "--activation-code CODE") || len(log) > 0 {
		t.Errorf("--help: exit code %d, output\n%s", code, output)
	}
}

//go:build e2e

// Package vpc has the end-to-end tests of tasks with network interfaces of their own: the agent, the CNI plugins and local-ecs
// with its lab, on a host of their own. That is a network namespace with a Docker engine in it, so that neither the network
// nor the engine of the machine is touched.
package vpc

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/vishvananda/netlink"

	"github.com/aws/amazon-ecs-agent/misc/e2e/rig"
)

const (
	exampleImage = "amazon/ecs-example-web:latest"
	repository   = "../../.."
	// inside says that the test runs in the namespaces.
	inside = "VPC_E2E_INSIDE"
	// buildOnly names a directory to build the programs into, and to end then; built, one with programs from there.
	buildOnly = "VPC_E2E_BUILD"
	built     = "VPC_E2E_BUILT"
	// patience bounds every wait; a sound agent needs a fraction of it.
	patience = 2 * time.Minute
)

// programs is the directory with what was built: agent, local-ecs, example-web, the pause image, cni/.
var (
	programs string
	docker   *rig.Docker
)

func TestMain(m *testing.M) {
	code, err := 0, error(nil)
	switch {
	case os.Getenv(buildOnly) != "":
		programs = os.Getenv(buildOnly)
		err = build(context.Background())
	case os.Getenv(inside) == "":
		code, err = outside()
	default:
		code, err = prepareAndRun(m)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "e2e/vpc:", err)
		code = 1
	}
	os.Exit(code)
}

// outside runs this program again, in a network and a mount namespace of its own.
func outside() (int, error) {
	if os.Getuid() != 0 {
		fmt.Fprintln(os.Stderr, "e2e/vpc: skipped: these tests make network namespaces, for which it takes root")
		return 0, nil
	}
	if _, err := exec.LookPath("dockerd"); err != nil {
		fmt.Fprintln(os.Stderr, "e2e/vpc: skipped: these tests start a Docker engine of their own, and there is no dockerd")
		return 0, nil
	}
	cmd := exec.Command("/proc/self/exe", os.Args[1:]...)
	cmd.Env = append(os.Environ(), inside+"=1")
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET | syscall.CLONE_NEWNS, Pdeathsig: syscall.SIGKILL}
	err := cmd.Run()
	if exit := (*exec.ExitError)(nil); errors.As(err, &exit) {
		return exit.ExitCode(), nil
	}
	return 0, err
}

func prepareAndRun(m *testing.M) (code int, err error) {
	dir, err := os.MkdirTemp("", "e2e-vpc-")
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	programs = dir
	if err := prepareHost(); err != nil {
		return 0, fmt.Errorf("prepare the namespaces: %w", err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	defer cancel()
	if there := os.Getenv(built); there != "" {
		programs = there
	} else if err := build(ctx); err != nil {
		return 0, err
	}
	engine, err := startEngine(ctx, dir)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, stopEngine(engine)) }()
	if err := makeImage(ctx); err != nil {
		return 0, err
	}
	return m.Run(), nil
}

// makeImage makes the example image of nothing but its program.
func makeImage(ctx context.Context) error {
	program, err := os.ReadFile(filepath.Join(programs, "example-web"))
	if err != nil {
		return err
	}
	var archive bytes.Buffer
	w := tar.NewWriter(&archive)
	if err := w.WriteHeader(&tar.Header{Name: "example-web", Mode: 0o755, Size: int64(len(program))}); err != nil {
		return err
	}
	if _, err := w.Write(program); err != nil {
		return err
	}
	if err := w.Close(); err != nil {
		return err
	}
	cmd := exec.CommandContext(ctx, "docker", "import", "--change", `ENTRYPOINT ["/example-web"]`, "--change", "USER 65532:65532", "-", exampleImage)
	cmd.Stdin = &archive
	if text, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("docker import: %w\n%s", err, text)
	}
	return nil
}

// prepareHost gives the namespaces what a host has: loopback, a /run of its own, and the way to the agent's endpoint that
// ecs-init makes.
func prepareHost() error {
	lo, err := netlink.LinkByName("lo")
	if err != nil {
		return err
	}
	for _, step := range []func() error{
		func() error { return netlink.LinkSetUp(lo) },
		func() error { return syscall.Mount("none", "/", "", syscall.MS_REC|syscall.MS_PRIVATE, "") },
		func() error { return syscall.Mount("tmpfs", "/run", "tmpfs", 0, "mode=755") },
		func() error { return os.WriteFile("/proc/sys/net/ipv4/conf/all/route_localnet", []byte("1"), 0o644) },
	} {
		if err := step(); err != nil {
			return err
		}
	}
	for _, rule := range []string{"PREROUTING -p tcp -d 169.254.170.2 --dport 80 -j DNAT --to-destination 127.0.0.1:51679", "OUTPUT -p tcp -d 169.254.170.2 --dport 80 -j REDIRECT --to-ports 51679"} {
		if err := run(context.Background(), "iptables", append([]string{"-t", "nat", "-A"}, strings.Fields(rule)...)...); err != nil {
			return err
		}
	}
	return nil
}

func build(ctx context.Context) error {
	for out, pkg := range map[string]string{"agent": "./agent", "local-ecs": "./misc/local-ecs", "cni/vpc-eni": "./misc/cni-plugins", "example-web": "./misc/example-web"} {
		if err := run(ctx, "go", "build", "-C", repository, "-trimpath", "-buildvcs=false", "-ldflags", "-s -w", "-o", filepath.Join(programs, out), pkg); err != nil {
			return err
		}
	}
	for _, name := range []string{"vpc-branch-eni", "ecs-bridge", "ecs-ipam", "aws-appmesh", "ecs-serviceconnect"} {
		if err := os.Symlink("vpc-eni", filepath.Join(programs, "cni", name)); err != nil {
			return err
		}
	}
	return run(ctx, filepath.Join(repository, "misc/pause-container/build.sh"), filepath.Join(programs, "pause.tar"))
}

// startEngine starts a Docker engine, with containerd, that has nothing in common with the machine's.
func startEngine(ctx context.Context, dir string) (*exec.Cmd, error) {
	const socket = "unix:///run/docker.sock"
	log, err := os.Create(filepath.Join(dir, "dockerd.log"))
	if err != nil {
		return nil, err
	}
	defer func() { _ = log.Close() }()
	settings := filepath.Join(dir, "daemon.json")
	if err := os.WriteFile(settings, []byte("{}"), 0o600); err != nil {
		return nil, err
	}
	engine := exec.Command("dockerd", "--config-file", settings, "--host", socket, "--data-root", filepath.Join(dir, "docker"), "--exec-root", "/run/docker", "--pidfile", "/run/docker.pid", "--ip6tables=false")
	engine.Stdout, engine.Stderr = log, log
	engine.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGTERM}
	if err := engine.Start(); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	if err := os.Setenv("DOCKER_HOST", socket); err != nil {
		return nil, err
	}
	if docker, err = rig.NewDocker(); err != nil {
		return nil, err
	}
	err = rig.Poll(ctx, "the Docker engine", func() (bool, error) { return docker.Ping(ctx) == nil, nil })
	if err != nil {
		text, _ := os.ReadFile(log.Name())
		return nil, errors.Join(fmt.Errorf("%w; its log:\n%s", err, text), stopEngine(engine))
	}
	return engine, nil
}

func stopEngine(engine *exec.Cmd) error {
	if err := engine.Process.Signal(syscall.SIGTERM); err != nil {
		return err
	}
	stuck := time.AfterFunc(30*time.Second, func() { _ = engine.Process.Kill() })
	defer stuck.Stop()
	_ = engine.Wait()
	return nil
}

func run(ctx context.Context, command string, args ...string) error {
	cmd := exec.CommandContext(ctx, command, args...)
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if text, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w\n%s", command, err, text)
	}
	return nil
}

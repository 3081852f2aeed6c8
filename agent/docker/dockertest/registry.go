package dockertest

import (
	"context"
	"encoding/base64"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/docker/docker/api/types/image"
)

// User and Password open a registry that wants credentials.
const (
	User     = "user"
	Password = "secret"
	htpasswd = "user:$2y$05$bx.T.mr.bXra1bpFPMoKLe5f6ejAv1H9oFmULrSHSwxP76rjeFN4C\n"
)

// Registry is a registry on the loopback interface, which engines use without TLS.
type Registry struct {
	Addr   string // 127.0.0.1:port
	closed bool
}

// StartRegistry starts a registry (Debian package docker-registry) that ends with the test. A closed one wants
// credentials. The test is skipped when the program is not installed.
func StartRegistry(t testing.TB, closed bool) *Registry {
	t.Helper()
	program, err := exec.LookPath("docker-registry")
	if err != nil {
		t.Skip("no registry on this machine; install the Debian package docker-registry")
	}
	dir := t.TempDir()
	r := &Registry{Addr: freeAddr(t), closed: closed}
	config := fmt.Sprintf("version: 0.1\nlog: {level: error}\nstorage: {filesystem: {rootdirectory: %s}, delete: {enabled: true}}\nhttp: {addr: %q}\n",
		filepath.Join(dir, "data"), r.Addr)
	if closed {
		passwords := filepath.Join(dir, "htpasswd")
		write(t, passwords, htpasswd)
		config += fmt.Sprintf("auth: {htpasswd: {realm: test, path: %s}}\n", passwords)
	}
	write(t, filepath.Join(dir, "config.yml"), config)
	server := exec.Command(program, "serve", filepath.Join(dir, "config.yml"))
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = server.Process.Signal(syscall.SIGTERM)
		_ = server.Wait()
	})
	r.wait(t)
	return r
}

func freeAddr(t testing.TB) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

func write(t testing.TB, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// wait until the registry answers.
func (r *Registry) wait(t testing.TB) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	poll := time.NewTicker(20 * time.Millisecond)
	defer poll.Stop()
	for {
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+r.Addr+"/v2/", nil)
		if err != nil {
			t.Fatal(err)
		}
		if answer, err := http.DefaultClient.Do(request); err == nil {
			_ = answer.Body.Close()
			http.DefaultClient.CloseIdleConnections()
			return
		}
		select {
		case <-poll.C:
		case <-ctx.Done():
			t.Fatalf("the registry at %s does not answer", r.Addr)
		}
	}
}

// Push puts a new image into the registry as repository:tag and returns its full name. The engine does not keep it.
func (r *Registry) Push(t testing.TB, repositoryAndTag string, env ...string) string {
	t.Helper()
	name := r.Addr + "/" + repositoryAndTag
	Load(t, Tar(t, name, env...))
	api := SDK(t)
	auth := "{}"
	if r.closed {
		auth = fmt.Sprintf(`{"username":%q,"password":%q}`, User, Password)
	}
	answer, err := api.ImagePush(t.Context(), name, image.PushOptions{RegistryAuth: base64.URLEncoding.EncodeToString([]byte(auth))})
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Close()
	text, err := io.ReadAll(answer)
	if err != nil || strings.Contains(string(text), `"error"`) {
		t.Fatalf("pushing %s: %v %s", name, err, text)
	}
	if _, err := api.ImageRemove(t.Context(), name, image.RemoveOptions{Force: true}); err != nil {
		t.Fatal(err)
	}
	RemoveImage(t, name)
	return name
}

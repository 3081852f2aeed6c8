package volumes

import (
	"context"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

func noEnv(string) string { return "" }

func dialer(path string) *http.Client {
	return &http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{
		DisableKeepAlives: true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, "unix", path)
		},
	}}
}

func activate(t *testing.T, path string) string {
	t.Helper()
	answer, err := dialer(path).Post("http://plugin/Plugin.Activate", "", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	body, _ := io.ReadAll(answer.Body)
	return string(body)
}

func TestServeOnItsOwnSocket(t *testing.T) {
	path := filepath.Join(t.TempDir(), "plugins", "p.sock")
	for range 2 { // the second time the first one's socket is in the way
		listener, err := Listen(path, noEnv)
		if err != nil {
			t.Skipf("cannot make a socket for root: %v", err)
		}
		listener.(*net.UnixListener).SetUnlinkOnClose(false)
		if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o660 || info.Sys().(*syscall.Stat_t).Uid != 0 {
			t.Errorf("%v, %v", info, err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error)
		go func() { ended <- newPlace(t).start(&fakeMounts{}).Serve(ctx, listener) }()
		if got := activate(t, path); !strings.Contains(got, "VolumeDriver") {
			t.Errorf("%q", got)
		}
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}
}

func TestListenFails(t *testing.T) {
	if _, err := Listen("/proc/no/p.sock", noEnv); err == nil {
		t.Error("no error")
	}
}

// TestActivatedBySystemd runs this test binary once more with a socket as file descriptor 3.
func TestActivatedBySystemd(t *testing.T) {
	if os.Getenv("VOLUMES_TEST_ACTIVATED") != "" {
		listener, err := Listen("/nonexistent/p.sock", func(name string) string {
			return map[string]string{"LISTEN_FDS": "1", "LISTEN_PID": strconv.Itoa(os.Getpid())}[name]
		})
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
		defer cancel()
		_ = newPlace(t).start(&fakeMounts{}).Serve(ctx, listener)
		return
	}
	path := filepath.Join(t.TempDir(), "p.sock")
	listener, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	file, err := listener.(*net.UnixListener).File()
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	cmd := exec.Command(os.Args[0], "-test.run=^TestActivatedBySystemd$")
	cmd.Env = append(os.Environ(), "VOLUMES_TEST_ACTIVATED=1")
	cmd.ExtraFiles = []*os.File{file}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	// The request waits in the socket until the process accepts it.
	if got := activate(t, path); !strings.Contains(got, "VolumeDriver") {
		t.Errorf("%q", got)
	}
	if err := cmd.Wait(); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(path); err != nil {
		t.Errorf("the socket of systemd is gone: %v", err)
	}
}

func TestSocketsForOtherProcessesAreNotUsed(t *testing.T) {
	env := map[string]string{"LISTEN_FDS": "1", "LISTEN_PID": "1"}
	path := filepath.Join(t.TempDir(), "p.sock")
	listener, err := Listen(path, func(name string) string { return env[name] })
	if err != nil {
		t.Skipf("cannot make a socket for root: %v", err)
	}
	defer listener.Close()
	if listener.Addr().String() != path {
		t.Errorf("%s", listener.Addr())
	}
}

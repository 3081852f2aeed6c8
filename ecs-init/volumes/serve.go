package volumes

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"time"
)

const (
	// Socket is where Docker looks for the driver; the file's name is the driver's.
	Socket = "/run/docker/plugins/amazon-ecs-volume-plugin.sock"
	// systemdSocket is the first file descriptor that systemd passes.
	systemdSocket = 3
	// farewell is for requests under way when the plugin is stopped.
	farewell = 60 * time.Second
)

// Listen gives the socket that systemd passed to this process, else one made at path, for root alone.
func Listen(path string, getenv func(string) string) (net.Listener, error) {
	count, _ := strconv.Atoi(getenv("LISTEN_FDS"))
	if getenv("LISTEN_PID") == strconv.Itoa(os.Getpid()) && count > 0 {
		file := os.NewFile(systemdSocket, "socket of systemd")
		defer file.Close()
		listener, err := net.FileListener(file)
		if err != nil {
			return nil, fmt.Errorf("the socket passed by systemd: %w", err)
		}
		return listener, nil
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return nil, err
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	mask := syscall.Umask(0o117)
	listener, err := net.Listen("unix", path)
	syscall.Umask(mask)
	if err != nil {
		return nil, err
	}
	if err := os.Chown(path, 0, 0); err != nil {
		return nil, errors.Join(err, listener.Close())
	}
	return listener, nil
}

// Serve answers Docker until ctx ends; requests under way get some time.
func (p *Plugin) Serve(ctx context.Context, listener net.Listener) error {
	server := &http.Server{Handler: p.Handler(), ReadHeaderTimeout: 10 * time.Second}
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(listener) }()
	select {
	case err := <-ended:
		return err
	case <-ctx.Done():
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), farewell)
	defer cancel()
	err := server.Shutdown(ctx)
	<-ended
	return err
}

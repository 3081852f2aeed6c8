//go:build integration

package container

import (
	"bytes"
	"io"
	"net"
	"sync"
	"testing"

	dockercontainer "github.com/docker/docker/api/types/container"
)

// collector is a server that keeps what log drivers send.
type collector struct {
	net.Listener
	mu   sync.Mutex
	text bytes.Buffer
}

func newCollector(t *testing.T) *collector {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	c := &collector{Listener: l}
	var conns sync.WaitGroup
	conns.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			conns.Go(func() { c.keep(conn) })
		}
	})
	t.Cleanup(func() {
		l.Close()
		conns.Wait()
	})
	return c
}

func (c *collector) keep(conn net.Conn) {
	defer conn.Close()
	buf := make([]byte, 4096)
	for {
		n, err := conn.Read(buf)
		c.mu.Lock()
		c.text.Write(buf[:n])
		c.mu.Unlock()
		if err != nil {
			return
		}
	}
}

func (c *collector) got(text string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return bytes.Contains(c.text.Bytes(), []byte(text))
}

// logging is a container that logs one line with a driver, and runs on until it is told to end.
func logging(driver, options string) string {
	return script("echo a line of $HOSTNAME; exec sleep 1000",
		`,"dockerConfig":{"config":"{\"Hostname\":\"logger\"}","hostConfig":"{\"LogConfig\":{\"Type\":\"`+driver+`\",\"Config\":{`+options+`}}}"}`)
}

const loggedLine = "a line of logger"

func TestLogsGoToServers(t *testing.T) {
	for driver, options := range map[string]string{
		"syslog":  `\"syslog-address\":\"tcp://ADDRESS\",\"tag\":\"integ\"`,
		"fluentd": `\"fluentd-address\":\"ADDRESS\",\"tag\":\"integ\"`,
	} {
		t.Run(driver, func(t *testing.T) {
			c := newCollector(t)
			options := string(bytes.ReplaceAll([]byte(options), []byte("ADDRESS"), []byte(c.Addr().String())))
			h := run(t, logging(driver, options))
			eventually(t, "line of the container", func() bool { return c.got(loggedLine) && c.got("integ") })
			h.remove() // before the server goes
			h.task.Containers = nil
		})
	}
}

func TestLogsStayOnTheHostOrNowhere(t *testing.T) {
	for driver, want := range map[string]bool{"local": true, "json-file": true, "none": false} {
		t.Run(driver, func(t *testing.T) {
			h := run(t, logging(driver, ""))
			id := h.task.Containers[0].RuntimeID
			got, err := sdk.ContainerInspect(t.Context(), id)
			if err != nil || got.HostConfig.LogConfig.Type != driver {
				t.Fatalf("driver %q, %v", got.HostConfig.LogConfig.Type, err)
			}
			read := func() string {
				logs, err := sdk.ContainerLogs(t.Context(), id, dockercontainer.LogsOptions{ShowStdout: true})
				if err != nil {
					if want {
						t.Fatal(err)
					}
					return ""
				}
				defer logs.Close()
				text, _ := io.ReadAll(logs)
				return string(text)
			}
			if want {
				eventually(t, "line of the container", func() bool { return bytes.Contains([]byte(read()), []byte(loggedLine)) })
			} else if text := read(); text != "" {
				t.Errorf("log %q", text)
			}
		})
	}
}

package cli

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"
)

// docker reads from the Docker engine the agent works with, as docker logs -f does.
type docker struct {
	http *http.Client
	base string
}

const defaultDockerHost = "unix:///var/run/docker.sock"

func newDocker(host string) (*docker, error) {
	if host == "" {
		host = defaultDockerHost
	}
	scheme, address, ok := strings.Cut(host, "://")
	if !ok {
		return nil, fmt.Errorf("DOCKER_HOST %q: use unix:///path or tcp://host:port", host)
	}
	switch scheme {
	case "unix":
		dial := func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "unix", address)
		}
		return &docker{&http.Client{Transport: &http.Transport{DialContext: dial}}, "http://docker"}, nil
	case "tcp", "http":
		return &docker{&http.Client{}, "http://" + address}, nil
	}
	return nil, fmt.Errorf("DOCKER_HOST %q: --logs supports unix:// and tcp:// only", host)
}

func (d *docker) get(ctx context.Context, path string, query url.Values) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, d.base+path+"?"+query.Encode(), nil)
	if err != nil {
		return nil, err
	}
	resp, err := d.http.Do(req)
	if err != nil {
		return nil, fmt.Errorf("docker engine: %w", err)
	}
	if resp.StatusCode != http.StatusOK {
		defer resp.Body.Close()
		b, _ := io.ReadAll(io.LimitReader(resp.Body, 1024))
		return nil, fmt.Errorf("docker engine: %s: %s", path, bytes.TrimSpace(b))
	}
	return resp, nil
}

func (d *docker) decode(ctx context.Context, path string, query url.Values, into any) error {
	resp, err := d.get(ctx, path, query)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	return json.NewDecoder(resp.Body).Decode(into)
}

// dockerContainer is a container of a task.
type dockerContainer struct {
	ID     string            `json:"Id"`
	Labels map[string]string `json:"Labels"`
}

// containers lists the containers of a task by its label.
func (d *docker) containers(ctx context.Context, taskArn string) (list []dockerContainer, err error) {
	filter, err := json.Marshal(map[string][]string{"label": {"com.amazonaws.ecs.task-arn=" + taskArn}})
	if err != nil {
		return nil, err
	}
	err = d.decode(ctx, "/containers/json", url.Values{"all": {"1"}, "filters": {string(filter)}}, &list)
	return list, err
}

// follow calls line for each line the container prints, until it ends.
func (d *docker) follow(ctx context.Context, id string, line func(string)) error {
	var info struct {
		Config struct {
			Tty bool `json:"Tty"`
		} `json:"Config"`
	}
	if err := d.decode(ctx, "/containers/"+id+"/json", nil, &info); err != nil {
		return err
	}
	resp, err := d.get(ctx, "/containers/"+id+"/logs", url.Values{"follow": {"1"}, "stdout": {"1"}, "stderr": {"1"}})
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	var in io.Reader = resp.Body
	if !info.Config.Tty {
		in = &demultiplexer{in: resp.Body}
	}
	lines := bufio.NewReader(in)
	for {
		text, err := lines.ReadString('\n')
		if text != "" {
			line(strings.TrimRight(text, "\r\n"))
		}
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// demultiplexer takes off the headers Docker puts before each piece of output: stream, three zeros, length.
type demultiplexer struct {
	in   io.Reader
	left uint32
}

func (d *demultiplexer) Read(p []byte) (int, error) {
	for d.left == 0 {
		var head [8]byte
		if _, err := io.ReadFull(d.in, head[:]); err != nil {
			if err == io.ErrUnexpectedEOF {
				err = io.EOF
			}
			return 0, err
		}
		d.left = binary.BigEndian.Uint32(head[4:])
	}
	n, err := d.in.Read(p[:min(uint32(len(p)), d.left)])
	d.left -= uint32(n)
	return n, err
}

// logs prints the output of the containers of some tasks.
type logs struct {
	docker *docker
	named  bool // put the container's name before each line

	mu       sync.Mutex
	out      io.Writer
	attached map[string]bool
	wg       sync.WaitGroup
	ctx      context.Context
	cancel   context.CancelFunc
}

func newLogs(d *docker, out io.Writer, named bool) *logs {
	ctx, cancel := context.WithCancel(context.Background())
	return &logs{docker: d, named: named, out: out, attached: map[string]bool{}, ctx: ctx, cancel: cancel}
}

// attach follows the containers of a task that are not followed yet.
func (l *logs) attach(ctx context.Context, taskArn string) {
	list, err := l.docker.containers(ctx, taskArn)
	if err != nil {
		l.once("engine", "logs: "+err.Error())
		return
	}
	for _, c := range list {
		if !l.first(c.ID) {
			continue
		}
		name := c.Labels["com.amazonaws.ecs.container-name"]
		l.wg.Go(func() {
			err := l.docker.follow(l.ctx, c.ID, func(text string) { l.print(name, text) })
			if err != nil && l.ctx.Err() == nil {
				l.print(name, "logs: "+err.Error())
			}
		})
	}
}

func (l *logs) first(key string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	first := !l.attached[key]
	l.attached[key] = true
	return first
}

func (l *logs) once(key, text string) {
	if l.first(key) {
		l.print("", text)
	}
}

func (l *logs) print(name, text string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.named && name != "" {
		text = name + " | " + text
	}
	fmt.Fprintln(l.out, text)
}

// logGrace is how long output may still come after the task is STOPPED.
const logGrace = 2 * time.Second

// close waits a moment for the rest of the output.
func (l *logs) close() {
	done := make(chan struct{})
	go func() { l.wg.Wait(); close(done) }()
	select {
	case <-done:
	case <-time.After(logGrace):
	}
	l.cancel()
	<-done
}

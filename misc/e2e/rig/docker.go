package rig

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"
)

// Docker is the engine on this machine, asked past the agent.
type Docker struct {
	Host string // as in DOCKER_HOST

	base string
	http http.Client
}

// Labels the agent puts on its containers.
const (
	labelTask      = "com.amazonaws.ecs.task-arn"
	labelContainer = "com.amazonaws.ecs.container-name"
)

// NewDocker finds the engine the docker command would use.
func NewDocker() (*Docker, error) {
	host := os.Getenv("DOCKER_HOST")
	if host == "" {
		host = "unix:///var/run/docker.sock"
	}
	u, err := url.Parse(host)
	if err != nil {
		return nil, fmt.Errorf("DOCKER_HOST: %w", err)
	}
	d := &Docker{Host: host, http: http.Client{Timeout: 2 * time.Minute}}
	switch u.Scheme {
	case "unix":
		d.base = "http://docker"
		d.http.Transport = &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, "unix", u.Path)
		}}
	case "tcp":
		d.base = "http://" + u.Host
	default:
		return nil, fmt.Errorf("DOCKER_HOST=%s: only unix:// and tcp:// are possible here", host)
	}
	return d, nil
}

// Socket is the path of the engine's socket; empty when it has none.
func (d *Docker) Socket() string {
	path, _ := strings.CutPrefix(d.Host, "unix://")
	if path == d.Host {
		return ""
	}
	return path
}

// call carries out an API call. A container that is not there is no error; found is false then.
func (d *Docker) call(ctx context.Context, method, path string, out any) (found bool, err error) {
	req, err := http.NewRequestWithContext(ctx, method, d.base+path, nil)
	if err != nil {
		return false, err
	}
	resp, err := d.http.Do(req)
	if err != nil {
		return false, fmt.Errorf("docker: %w", err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	switch {
	case err != nil:
		return false, fmt.Errorf("docker: %w", err)
	case resp.StatusCode == http.StatusNotFound:
		return false, nil
	case resp.StatusCode >= 400:
		return false, fmt.Errorf("docker: %s %s: %s: %s", method, path, resp.Status, body)
	case out == nil || len(body) == 0:
		return true, nil
	}
	return true, json.Unmarshal(body, out)
}

// RealContainer is a container in Docker.
type RealContainer struct {
	ID     string `json:"Id"`
	Names  []string
	State  string
	Labels map[string]string
}

// TaskARN and Name say which container of which task it is.
func (c *RealContainer) TaskARN() string { return c.Labels[labelTask] }

// Name is the container's name in its task definition.
func (c *RealContainer) Name() string { return c.Labels[labelContainer] }

// Containers lists the containers of tasks whose ARN contains part, stopped ones too.
func (d *Docker) Containers(ctx context.Context, part string) ([]RealContainer, error) {
	filter := url.QueryEscape(`{"label":["` + labelTask + `"]}`)
	var all, mine []RealContainer
	if _, err := d.call(ctx, http.MethodGet, "/containers/json?all=1&filters="+filter, &all); err != nil {
		return nil, err
	}
	for _, c := range all {
		if strings.Contains(c.TaskARN(), part) {
			mine = append(mine, c)
		}
	}
	return mine, nil
}

// Remove removes a container, running or not.
func (d *Docker) Remove(ctx context.Context, id string) error {
	_, err := d.call(ctx, http.MethodDelete, "/containers/"+id+"?force=1&v=1", nil)
	return err
}

// Kill sends a running container a signal.
func (d *Docker) Kill(ctx context.Context, id, signal string) error {
	_, err := d.call(ctx, http.MethodPost, "/containers/"+id+"/kill?signal="+signal, nil)
	return err
}

// Volumes names the volumes whose name contains part.
func (d *Docker) Volumes(ctx context.Context, part string) (names []string, err error) {
	var list struct{ Volumes []struct{ Name string } }
	filter := url.QueryEscape(`{"name":["` + part + `"]}`)
	_, err = d.call(ctx, http.MethodGet, "/volumes?filters="+filter, &list)
	for _, v := range list.Volumes {
		names = append(names, v.Name)
	}
	return names, err
}

// RemoveAll removes every container of tasks whose ARN contains part.
func (d *Docker) RemoveAll(ctx context.Context, part string) error {
	if len(part) < 4 {
		return fmt.Errorf("%q would match other people's containers", part)
	}
	list, err := d.Containers(ctx, part)
	if err != nil {
		return err
	}
	for _, c := range list {
		if err := d.Remove(ctx, c.ID); err != nil {
			return err
		}
	}
	return nil
}

// HasImage reports whether the engine has an image.
func (d *Docker) HasImage(ctx context.Context, name string) (bool, error) {
	return d.call(ctx, http.MethodGet, "/images/"+name+"/json", nil)
}

// RemoveImage removes an image.
func (d *Docker) RemoveImage(ctx context.Context, name string) error {
	_, err := d.call(ctx, http.MethodDelete, "/images/"+name, nil)
	return err
}

// Ping reports an engine that does not answer.
func (d *Docker) Ping(ctx context.Context) error {
	_, err := d.call(ctx, http.MethodGet, "/version", nil)
	return err
}

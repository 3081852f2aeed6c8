package rig

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"time"
)

// Control is a running local-ecs.
type Control struct {
	*Program
	Endpoint string
	Cluster  string
}

// ControlOptions say how local-ecs is started.
type ControlOptions struct {
	Binary  string
	Dir     string // for state and log
	Listen  string // empty: a free port on loopback
	Cluster string
	Faults  bool // enable /_local/
	Args    []string
}

// StartControl starts local-ecs and waits until it answers.
func StartControl(ctx context.Context, o ControlOptions) (*Control, error) {
	if o.Listen == "" {
		port, err := freePort()
		if err != nil {
			return nil, err
		}
		o.Listen = fmt.Sprintf("127.0.0.1:%d", port)
	}
	data := filepath.Join(o.Dir, "local-ecs")
	if err := os.MkdirAll(data, 0o755); err != nil {
		return nil, err
	}
	args := append([]string{"serve", "--listen", o.Listen, "--data-dir", data, "--clusters", o.Cluster}, o.Args...)
	if o.Faults {
		args = append(args, "--enable-faults")
	}
	p, err := start("local-ecs", o.Binary, filepath.Join(o.Dir, "local-ecs.log"), baseEnv(), args...)
	if err != nil {
		return nil, err
	}
	c := &Control{Program: p, Endpoint: "http://" + o.Listen, Cluster: o.Cluster}
	err = Poll(ctx, "local-ecs", func() (bool, error) {
		if !p.Running() {
			return false, fmt.Errorf("local-ecs ended:\n%s", p.LastWords())
		}
		return c.Call(ctx, "ListClusters", map[string]any{}, nil) == nil, nil
	})
	if err != nil {
		p.Kill()
		return nil, err
	}
	return c, nil
}

// freePort is a TCP port nobody listens on at this moment.
func freePort() (int, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, fmt.Errorf("find a free port: %w", err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port, nil
}

// APIError is a refusal of the ECS API.
type APIError struct {
	Operation, Type, Message string
	Status                   int
}

func (e *APIError) Error() string {
	return fmt.Sprintf("%s: %s: %s (%d)", e.Operation, e.Type, e.Message, e.Status)
}

// callLimit bounds one call.
const callLimit = 30 * time.Second

var web = &http.Client{Timeout: callLimit}

// Call carries out an operation of the ECS API as an operator's client does. out may be nil.
func (c *Control) Call(ctx context.Context, operation string, in, out any) error {
	body, err := json.Marshal(in)
	if err != nil {
		return fmt.Errorf("%s: %w", operation, err)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, c.Endpoint+"/", bytes.NewReader(body))
	if err != nil {
		return fmt.Errorf("%s: %w", operation, err)
	}
	req.Header.Set("Content-Type", "application/x-amz-json-1.1")
	req.Header.Set("X-Amz-Target", "AmazonEC2ContainerServiceV20141113."+operation)
	status, answer, err := do(req)
	switch {
	case err != nil:
		return fmt.Errorf("%s: %w", operation, err)
	case status != http.StatusOK:
		e := &APIError{Operation: operation, Status: status}
		var refusal struct {
			Type    string `json:"__type"`
			Message string `json:"message"`
		}
		_ = json.Unmarshal(answer, &refusal) // the status tells enough
		e.Type, e.Message = refusal.Type, refusal.Message
		return e
	case out == nil:
		return nil
	}
	if err := json.Unmarshal(answer, out); err != nil {
		return fmt.Errorf("%s: %w", operation, err)
	}
	return nil
}

func do(req *http.Request) (status int, body []byte, err error) {
	resp, err := web.Do(req)
	if err != nil {
		return 0, nil, err
	}
	defer resp.Body.Close()
	body, err = io.ReadAll(resp.Body)
	return resp.StatusCode, body, err
}

// Get fetches a URL.
func Get(ctx context.Context, url string) (status int, body []byte, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return 0, nil, err
	}
	return do(req)
}

// Fault is a rule of local-ecs's fault interface; see its README.
type Fault map[string]any

// Spoil puts faults in force or, with ACS actions that happen at once, carries them out. It gives the number of
// connections hit.
func (c *Control) Spoil(ctx context.Context, faults ...Fault) (hit int, err error) {
	body, err := json.Marshal(faults)
	if err != nil {
		return 0, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, c.Endpoint+"/_local/faults", bytes.NewReader(body))
	if err != nil {
		return 0, err
	}
	status, answer, err := do(req)
	if err != nil || status != http.StatusOK {
		return 0, fmt.Errorf("faults: status %d, %s: %w", status, answer, err)
	}
	var out struct{ Hit int }
	return out.Hit, json.Unmarshal(answer, &out)
}

// Heal removes all faults.
func (c *Control) Heal(ctx context.Context) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodDelete, c.Endpoint+"/_local/faults", nil)
	if err != nil {
		return err
	}
	_, _, err = do(req)
	return err
}

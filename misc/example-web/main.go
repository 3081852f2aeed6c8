// Command example-web is the program of the example image: a small web server that shows what an ECS task can see of
// itself, with a batch mode and a client for health checks. It needs nothing else in its image.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/signal"
	"sort"
	"strings"
	"sync/atomic"
	"syscall"
	"time"
)

const usage = `example-web: the program of the ECS example image

  example-web [serve] [--listen :8080]               serve /, /health, /env, /metadata, /metadata/task, /credentials
  example-web batch [--steps 3] [--interval 500ms] [--exit 0]
                                                     print some lines and end with that code
  example-web get URL                                end with 0 when URL answers with 2xx: for health checks
  example-web credentials                            show whose credentials the task's role gives
`

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	os.Exit(run(ctx, os.Args[1:], os.Stdout, os.Stderr))
}

func run(ctx context.Context, args []string, out, errOut io.Writer) int {
	name := "serve"
	if len(args) > 0 && !strings.HasPrefix(args[0], "-") {
		name, args = args[0], args[1:]
	}
	fs := flag.NewFlagSet("example-web", flag.ContinueOnError)
	fs.SetOutput(errOut)
	fs.Usage = func() { fmt.Fprint(errOut, usage) }
	listen := fs.String("listen", ":8080", "")
	steps := fs.Int("steps", 3, "")
	interval := fs.Duration("interval", 500*time.Millisecond, "")
	exit := fs.Int("exit", 0, "")
	if err := fs.Parse(args); err != nil {
		return 2
	}
	var err error
	switch name {
	case "serve":
		err = serve(ctx, *listen, out)
	case "batch":
		return batch(ctx, *steps, *interval, *exit, out)
	case "get":
		err = get(ctx, fs.Arg(0), out)
	case "credentials":
		err = printCredentials(ctx, out)
	default:
		fmt.Fprint(errOut, usage)
		return 2
	}
	if err != nil {
		fmt.Fprintln(errOut, "example-web:", err)
		return 1
	}
	return 0
}

// serve runs the web server until ctx ends.
func serve(ctx context.Context, listen string, out io.Writer) error {
	server := &http.Server{Addr: listen, Handler: handler(), ReadHeaderTimeout: 5 * time.Second}
	fmt.Fprintf(out, "example-web listens on %s\n", listen)
	ended := make(chan error, 1)
	go func() { ended <- server.ListenAndServe() }()
	select {
	case err := <-ended:
		return err
	case <-ctx.Done():
	}
	fmt.Fprintln(out, "example-web ends")
	grace, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	server.Shutdown(grace)
	<-ended
	return nil
}

func handler() http.Handler {
	var sick atomic.Bool
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, _ *http.Request) {
		host, _ := os.Hostname()
		fmt.Fprintf(w, "Hello from container %s\n", host)
		if uri := os.Getenv("ECS_CONTAINER_METADATA_URI_V4"); uri != "" {
			fmt.Fprintf(w, "Task metadata: %s\n", uri)
		}
	})
	mux.HandleFunc("GET /health", func(w http.ResponseWriter, _ *http.Request) {
		if sick.Load() {
			http.Error(w, "unhealthy", http.StatusServiceUnavailable)
			return
		}
		fmt.Fprintln(w, "healthy")
	})
	mux.HandleFunc("POST /sick", func(http.ResponseWriter, *http.Request) { sick.Store(true) })
	mux.HandleFunc("POST /well", func(http.ResponseWriter, *http.Request) { sick.Store(false) })
	mux.HandleFunc("GET /env", func(w http.ResponseWriter, _ *http.Request) {
		env := os.Environ()
		sort.Strings(env)
		fmt.Fprintln(w, strings.Join(env, "\n"))
	})
	mux.HandleFunc("GET /metadata", metadata(""))
	mux.HandleFunc("GET /metadata/task", metadata("/task"))
	mux.HandleFunc("GET /credentials", func(w http.ResponseWriter, r *http.Request) {
		if err := printCredentials(r.Context(), w); err != nil {
			http.Error(w, err.Error(), http.StatusBadGateway)
		}
	})
	return mux
}

// metadata passes the task metadata endpoint's answer on.
func metadata(path string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		uri := os.Getenv("ECS_CONTAINER_METADATA_URI_V4")
		if uri == "" {
			http.Error(w, "ECS_CONTAINER_METADATA_URI_V4 is not set: not an ECS task?", http.StatusNotFound)
			return
		}
		body, err := fetch(r.Context(), uri+path)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadGateway)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		w.Write(body)
	}
}

func fetch(ctx context.Context, url string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, 3*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	if err == nil && resp.StatusCode/100 != 2 {
		err = fmt.Errorf("%s answers %s: %s", url, resp.Status, strings.TrimSpace(string(body)))
	}
	return body, err
}

func get(ctx context.Context, url string, out io.Writer) error {
	if url == "" {
		return errors.New("get: URL is missing")
	}
	body, err := fetch(ctx, url)
	if err == nil {
		out.Write(body)
	}
	return err
}

// batch prints steps lines; a signal ends it early with 143, as a shell would report it.
func batch(ctx context.Context, steps int, interval time.Duration, exit int, out io.Writer) int {
	tick := time.NewTicker(max(interval, time.Millisecond))
	defer tick.Stop()
	for i := range steps {
		fmt.Fprintf(out, "step %d of %d\n", i+1, steps)
		select {
		case <-tick.C:
		case <-ctx.Done():
			fmt.Fprintln(out, "stopped early")
			return 143
		}
	}
	fmt.Fprintf(out, "done, exit code %d\n", exit)
	return exit
}

// credentialsHost serves the credentials of task roles inside ECS tasks.
const credentialsHost = "http://169.254.170.2"

// printCredentials shows everything but the secrets.
func printCredentials(ctx context.Context, out io.Writer) error {
	path := os.Getenv("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI")
	if path == "" {
		return errors.New("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI is not set: the task has no role")
	}
	body, err := fetch(ctx, credentialsHost+path)
	if err != nil {
		return err
	}
	var c struct{ RoleArn, AccessKeyId, Expiration string }
	if err := json.Unmarshal(body, &c); err != nil {
		return err
	}
	fmt.Fprintf(out, "role %s\naccess key %s\nvalid until %s\n", c.RoleArn, c.AccessKeyId, c.Expiration)
	return nil
}

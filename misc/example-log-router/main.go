// Command example-log-router is the program of an example image: a log router for FireLens that reads as much of a Fluent
// Bit configuration as the agent writes, and sends the records on as lines of JSON. It needs nothing else in its image.
//
//	example-log-router [FILE]     default /fluent-bit/etc/fluent-bit.conf
package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"os/signal"
	"sync"
	"syscall"
)

const usualFile = "/fluent-bit/etc/fluent-bit.conf"

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	file := usualFile
	if len(os.Args) > 1 {
		file = os.Args[1]
	}
	if err := run(ctx, file, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "example-log-router:", err)
		os.Exit(1)
	}
}

// run routes logs until ctx ends.
func run(ctx context.Context, file string, stdout io.Writer) error {
	sections, err := readConfig(file, os.Getenv)
	if err != nil {
		return err
	}
	r, err := newRouter(sections, stdout)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var all sync.WaitGroup
	defer all.Wait()
	for _, s := range sections {
		if s.name != "INPUT" {
			continue
		}
		listener, err := s.listen()
		if err != nil {
			cancel()
			return err
		}
		all.Go(func() {
			<-ctx.Done()
			listener.Close()
		})
		all.Go(func() {
			for {
				conn, err := listener.Accept()
				if err != nil {
					return
				}
				all.Go(func() { serve(ctx, conn, s, r) })
			}
		})
	}
	<-ctx.Done()
	return nil
}

// listen opens the socket of an input.
func (s section) listen() (net.Listener, error) {
	if path := s.values["unix_path"]; path != "" {
		if err := os.Remove(path); err != nil && !os.IsNotExist(err) {
			return nil, err
		}
		return net.Listen("unix", path)
	}
	return net.Listen("tcp", net.JoinHostPort(s.values["listen"], s.values["port"]))
}

// serve takes what comes over a connection, until it ends or ctx does. Inputs other than "forward" are for health checks:
// that somebody answers is all that matters.
func serve(ctx context.Context, conn net.Conn, s section, r *router) {
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	defer stop()
	defer conn.Close()
	if s.values["name"] != "forward" {
		_, _ = io.Copy(io.Discard, conn)
		return
	}
	if err := readForward(conn, r.route); err != nil && ctx.Err() == nil {
		fmt.Fprintln(os.Stderr, "example-log-router: connection:", err)
	}
}

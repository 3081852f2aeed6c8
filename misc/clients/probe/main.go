//go:build linux

// The probe runs in a container and lets published clients talk to the agent the way they do on Amazon ECS: the default
// credential chain of the AWS SDK, the resource detector and the metrics receiver of OpenTelemetry. It prints what they
// found as one line of JSON.
//
// Clients expect the agent at 169.254.170.2. The host of a test has no packet filter rule that leads there, so the probe
// makes a network namespace with that address and forwards it to the agent; the clients run inside and know nothing of it.
package main

import (
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"runtime"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

const (
	taskServer = "169.254.170.2"
	agent      = "127.0.0.1:51679"
)

func main() {
	var err error
	if len(os.Args) > 1 && os.Args[1] == "clients" {
		err = clients()
	} else {
		err = forward()
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "probe:", err)
		os.Exit(1)
	}
}

// forward runs the clients in a namespace of their own.
func forward() error {
	listening := make(chan net.Listener, 1)
	over := make(chan error, 1)
	go func() {
		runtime.LockOSThread() // this thread stays in the new namespace, and the clients are started from it
		listener, err := newNamespace()
		if err != nil {
			over <- err
			return
		}
		listening <- listener
		cmd := exec.Command("/proc/self/exe", "clients")
		cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
		over <- cmd.Run()
	}()
	for {
		select {
		case err := <-over:
			return err
		case listener := <-listening:
			go serve(listener)
		}
	}
}

func newNamespace() (net.Listener, error) {
	if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
		return nil, fmt.Errorf("make a network namespace: %w", err)
	}
	lo, err := netlink.LinkByName("lo")
	if err != nil {
		return nil, err
	}
	address, err := netlink.ParseAddr(taskServer + "/32")
	if err != nil {
		return nil, err
	}
	if err := netlink.AddrAdd(lo, address); err != nil {
		return nil, err
	}
	if err := netlink.LinkSetUp(lo); err != nil {
		return nil, err
	}
	return net.Listen("tcp", taskServer+":80")
}

// serve passes connections on to the agent, whose namespace all other threads are in.
func serve(listener net.Listener) {
	for {
		client, err := listener.Accept()
		if err != nil {
			return
		}
		go func() {
			defer client.Close()
			server, err := net.Dial("tcp", agent)
			if err != nil {
				fmt.Fprintln(os.Stderr, "probe:", err)
				return
			}
			defer server.Close()
			go func() {
				_, _ = io.Copy(server, client)
				_ = server.(*net.TCPConn).CloseWrite()
			}()
			_, _ = io.Copy(client, server)
		}()
	}
}

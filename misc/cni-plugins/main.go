// Command cni-plugins is the CNI plugins with which an agent gives tasks their network. It is one program under seven
// names; what it is called decides what it does. See README.md.
package main

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/aws/amazon-ecs-agent/misc/cni-plugins/internal/branch"
	"github.com/aws/amazon-ecs-agent/misc/cni-plugins/internal/bridge"
	"github.com/aws/amazon-ecs-agent/misc/cni-plugins/internal/eni"
	"github.com/aws/amazon-ecs-agent/misc/cni-plugins/internal/ipam"
	"github.com/aws/amazon-ecs-agent/misc/cni-plugins/internal/plugin"
	"github.com/aws/amazon-ecs-agent/misc/cni-plugins/internal/proxy"
)

var plugins = []*plugin.Plugin{&eni.VPC, &branch.Plugin, &bridge.Plugin, &ipam.Plugin, &proxy.AppMesh, &proxy.ServiceConnect, &eni.Legacy}

func main() {
	name := filepath.Base(os.Args[0])
	for _, p := range plugins {
		if p.Name == name {
			os.Exit(p.Run(plugin.Process{Args: os.Args[1:], Getenv: os.Getenv, Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr}))
		}
	}
	fmt.Fprintf(os.Stderr, "%s: this program does what its name says; give it one of these names, with a link or a copy:\n", name)
	for _, p := range plugins {
		fmt.Fprintf(os.Stderr, "  %s\n", p.Name)
	}
	os.Exit(2)
}

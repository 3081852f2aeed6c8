package proc

import (
	"fmt"
	"runtime"

	"golang.org/x/sys/unix"

	"github.com/aws/amazon-ecs-agent/agent/netdev"
)

// TaskInterfaces names the interfaces in the process's network namespace that connect a task with awsvpc network. macs are
// the hardware addresses of its ENIs.
func (p *Process) TaskInterfaces(macs []string) ([]string, error) {
	ns, err := p.dir.OpenFD("ns/net")
	if err != nil {
		return nil, err
	}
	defer unix.Close(ns)
	type answer struct {
		names []string
		err   error
	}
	answers := make(chan answer)
	go func() {
		// The thread is in another namespace from now on: it ends with this goroutine, because it is not unlocked.
		runtime.LockOSThread()
		names, err := interfacesIn(ns, macs)
		answers <- answer{names, err}
	}()
	a := <-answers
	return a.names, a.err
}

func interfacesIn(ns int, macs []string) ([]string, error) {
	if err := unix.Setns(ns, unix.CLONE_NEWNET); err != nil {
		return nil, fmt.Errorf("enter the network namespace: %w", err)
	}
	links, err := netdev.Links()
	var names []string
	for _, l := range links {
		if carries(l, macs) {
			names = append(names, l.Name)
		}
	}
	return names, err
}

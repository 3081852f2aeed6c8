package proc

import (
	"fmt"
	"runtime"
	"syscall"

	"golang.org/x/sys/unix"
)

// TaskInterfaces names the interfaces in the process's network namespace that connect a task with awsvpc network.
func (p *Process) TaskInterfaces() ([]string, error) {
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
		names, err := interfacesIn(ns)
		answers <- answer{names, err}
	}()
	a := <-answers
	return a.names, a.err
}

func interfacesIn(ns int) ([]string, error) {
	if err := unix.Setns(ns, unix.CLONE_NEWNET); err != nil {
		return nil, fmt.Errorf("enter the network namespace: %w", err)
	}
	dump, err := syscall.NetlinkRIB(unix.RTM_GETLINK, unix.AF_UNSPEC)
	if err != nil {
		return nil, fmt.Errorf("list the interfaces: %w", err)
	}
	messages, err := syscall.ParseNetlinkMessage(dump)
	if err != nil {
		return nil, fmt.Errorf("list the interfaces: %w", err)
	}
	var names []string
	for _, m := range messages {
		if m.Header.Type != unix.RTM_NEWLINK {
			continue
		}
		l, err := parseLink(m.Data)
		if err != nil {
			return nil, err
		}
		if l.carries() {
			names = append(names, l.name)
		}
	}
	return names, nil
}

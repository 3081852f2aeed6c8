package netdev

import (
	"context"
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// kernelGroup is the multicast group in which the kernel sends uevents; others repeat them.
const kernelGroup = 1

// maxUevent is more than the kernel ever sends in one message.
const maxUevent = 16 << 10

// Watch hears from the kernel of devices that appear in the network namespace in which it was made.
type Watch struct {
	socket *os.File
}

// NewWatch opens the kernel's uevent socket. Events are kept for Run, which has to be called and closes it.
func NewWatch() (*Watch, error) {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, unix.NETLINK_KOBJECT_UEVENT)
	if err != nil {
		return nil, fmt.Errorf("open the kernel's uevent socket: %w", err)
	}
	if err := unix.Bind(fd, &unix.SockaddrNetlink{Family: unix.AF_NETLINK, Groups: kernelGroup}); err != nil {
		unix.Close(fd)
		return nil, fmt.Errorf("listen on the kernel's uevent socket: %w", err)
	}
	return &Watch{os.NewFile(uintptr(fd), "uevents")}, nil
}

// Run calls news whenever a network device of the machine has appeared, or one may have been missed, until ctx ends.
func (w *Watch) Run(ctx context.Context, news func()) error {
	defer w.socket.Close()
	stop := context.AfterFunc(ctx, func() { w.socket.Close() })
	defer stop()
	conn, err := w.socket.SyscallConn()
	if err != nil {
		return err
	}
	buffer := make([]byte, maxUevent)
	for {
		message, sender, err := receive(conn, buffer)
		switch {
		case ctx.Err() != nil:
			return nil
		case errors.Is(err, unix.ENOBUFS):
			news() // there were more events than the kernel keeps
		case errors.Is(err, unix.EINTR):
		case err != nil:
			return fmt.Errorf("read the kernel's uevents: %w", err)
		case appeared(message, sender):
			news()
		}
	}
}

// reader is the part of syscall.RawConn that waits until there is something to read.
type reader interface {
	Read(ready func(fd uintptr) (done bool)) error
}

func receive(conn reader, buffer []byte) (message string, sender uint32, err error) {
	var n int
	var from unix.Sockaddr
	closed := conn.Read(func(fd uintptr) bool {
		n, from, err = unix.Recvfrom(int(fd), buffer, unix.MSG_DONTWAIT)
		return !errors.Is(err, unix.EAGAIN)
	})
	if closed != nil {
		return "", 0, closed
	}
	if err != nil {
		return "", 0, err
	}
	if address, ok := from.(*unix.SockaddrNetlink); ok {
		sender = address.Pid
	}
	return string(buffer[:n]), sender, nil
}

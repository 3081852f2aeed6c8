// Package netns runs code in network namespaces.
package netns

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime/debug"

	"github.com/aws/amazon-ecs-agent/misc/cni-plugins/internal/flock"
	"github.com/containernetworking/plugins/pkg/ns"
)

// In runs f in the namespace at path, on a thread of its own that never serves anything else in a wrong namespace. f gets
// the namespace it was called from. A panic of f becomes an error: no other goroutine could recover it.
func In(path string, f func(home ns.NetNS) error) error {
	target, err := ns.GetNS(path)
	if err != nil {
		return err
	}
	defer func() { _ = target.Close() }()
	return target.Do(func(home ns.NetNS) (err error) {
		defer func() {
			if r := recover(); r != nil {
				err = fmt.Errorf("internal error: %v\n%s", r, debug.Stack())
			}
		}()
		return f(home)
	})
}

// Missing reports whether err says that there is no namespace at a path: its last process is gone, and with it all that
// was inside.
func Missing(err error) bool {
	var notThere ns.NSPathNotExistErr
	var notOne ns.NSPathNotNSErr
	return errors.As(err, &notThere) || errors.As(err, &notOne)
}

// Lock takes the lock of the namespace the process runs in and returns how to release it. Calls that change what all of
// them share take turns this way, without leaving a lock file anywhere.
func Lock(ctx context.Context) (unlock func(), err error) {
	file, err := os.Open("/proc/self/ns/net")
	if err != nil {
		return nil, err
	}
	if err := flock.Acquire(ctx, file); err != nil {
		return nil, err
	}
	return func() { _ = file.Close() }, nil
}

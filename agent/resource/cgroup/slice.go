package cgroup

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"time"

	"github.com/godbus/dbus/v5"
)

// systemd on D-Bus.
const (
	systemdName    = "org.freedesktop.systemd1"
	systemdPath    = "/org/freedesktop/systemd1"
	systemdManager = systemdName + ".Manager"
	jobRemoved     = "JobRemoved"

	errUnitExists = systemdName + ".UnitExists"
	errNoSuchUnit = systemdName + ".NoSuchUnit"

	usualBus = "unix:path=/var/run/dbus/system_bus_socket"
)

// jobLimit bounds the wait for systemd.
const jobLimit = 30 * time.Second

// property of a unit.
type property struct {
	Name  string
	Value dbus.Variant
}

// aux is an additional unit of a transient one; there are none here, but the call has a place for them.
type aux struct {
	Name       string
	Properties []property
}

func is[T any](name string, value T) property { return property{name, dbus.MakeVariant(value)} }

// describing are the properties of a slice that are set when it is made, delegated apart.
func describing(slice string) []property {
	return []property{is("Description", "cgroup "+slice), is("DefaultDependencies", false), is("Wants", []string{"system.slice"})}
}

// limiting are the properties of a slice that may be set at any time.
func limiting(limits Limits, unified bool) []property {
	list := []property{is("MemoryAccounting", true), is("CPUAccounting", true)}
	if unified {
		list = append(list, is("IOAccounting", true))
	}
	if limits.Memory != nil {
		name := "MemoryMax"
		if !unified {
			name = "MemoryLimit"
		}
		list = append(list, is(name, uint64(limits.Memory.Limit)))
	}
	switch cpu := limits.CPU; {
	case cpu == nil:
	case cpu.Quota > 0 && cpu.Period > 0:
		list = append(list, is("CPUQuotaPerSecUSec", quotaPerSecond(cpu)))
	case unified:
		list = append(list, is("CPUWeight", cpu.weight()))
	default:
		list = append(list, is("CPUShares", cpu.Shares))
	}
	if limits.Pids != nil {
		list = append(list, is("TasksAccounting", true), is("TasksMax", uint64(limits.Pids.Limit)))
	}
	return list
}

// quotaPerSecond in µs. systemd takes whole percents of a CPU: a part of one is rounded up.
func quotaPerSecond(cpu *CPU) uint64 {
	const percent = 10000
	quota := uint64(cpu.Quota) * 1000000 / cpu.Period
	return (quota + percent - 1) / percent * percent
}

// systemd is a connection to it.
type systemd struct {
	conn    *dbus.Conn
	manager dbus.BusObject
	jobs    chan *dbus.Signal
}

func (t *Tree) connect(ctx context.Context) (*systemd, error) {
	address := t.Bus
	if address == "" {
		address = usualBus
	}
	conn, err := dbus.Connect(address, dbus.WithContext(ctx))
	if err != nil {
		return nil, fmt.Errorf("connect to systemd at %s: %w", address, err)
	}
	return &systemd{conn: conn, manager: conn.Object(systemdName, systemdPath), jobs: make(chan *dbus.Signal, 64)}, nil
}

func (s *systemd) close() { _ = s.conn.Close() }

// call calls a method of systemd that answers with at most one value.
func (s *systemd) call(ctx context.Context, method string, answer any, args ...any) error {
	call := s.manager.CallWithContext(ctx, systemdManager+"."+method, 0, args...)
	if answer == nil || call.Err != nil {
		return call.Err
	}
	return call.Store(answer)
}

// listen asks for news about jobs.
func (s *systemd) listen(ctx context.Context) error {
	err := s.conn.AddMatchSignalContext(ctx, dbus.WithMatchInterface(systemdManager), dbus.WithMatchMember(jobRemoved), dbus.WithMatchObjectPath(systemdPath))
	if err != nil {
		return err
	}
	s.conn.Signal(s.jobs)
	return s.call(ctx, "Subscribe", nil)
}

// wait waits for the end of a job and gives its result.
func (s *systemd) wait(ctx context.Context, job dbus.ObjectPath) (string, error) {
	for {
		select {
		case signal, open := <-s.jobs:
			if !open {
				return "", errors.New("systemd ended the connection")
			}
			var id uint32
			var path dbus.ObjectPath
			var unit, result string
			if signal.Name == systemdManager+"."+jobRemoved && dbus.Store(signal.Body, &id, &path, &unit, &result) == nil && path == job {
				return result, nil
			}
		case <-ctx.Done():
			return "", ctx.Err()
		}
	}
}

// ask lets f talk to systemd over a connection of its own, for as long as a job may take.
func (t *Tree) ask(ctx context.Context, f func(ctx context.Context, s *systemd) error) error {
	ctx, cancel := context.WithTimeout(ctx, jobLimit)
	defer cancel()
	s, err := t.connect(ctx)
	if err != nil {
		return err
	}
	defer s.close()
	return f(ctx, s)
}

// checkSystemd makes sure that systemd answers.
func (t *Tree) checkSystemd(ctx context.Context) error {
	return t.ask(ctx, func(_ context.Context, s *systemd) error {
		if _, err := s.manager.GetProperty(systemdManager + ".Version"); err != nil {
			return fmt.Errorf("ask systemd for its version: %w", err)
		}
		return nil
	})
}

// startSlice makes a slice, or sets the limits of one that is there.
func (t *Tree) startSlice(ctx context.Context, slice string, limits Limits) error {
	err := t.ask(ctx, func(ctx context.Context, s *systemd) error { return s.start(ctx, slice, limiting(limits, t.Unified)) })
	if err != nil || !t.Unified {
		return err
	}
	dir := slicePath(t.Mount, slice)
	if err := enableDownTo(t.Mount, filepath.Dir(dir), limits.needed()); err != nil {
		return err
	}
	return hasControllers(dir, limits.needed())
}

// stopSlice removes a slice with everything in it.
func (t *Tree) stopSlice(ctx context.Context, slice string) error {
	return t.ask(ctx, func(ctx context.Context, s *systemd) error { return s.stop(ctx, slice) })
}

func (s *systemd) start(ctx context.Context, slice string, limiting []property) error {
	if err := s.listen(ctx); err != nil {
		return err
	}
	properties := append(describing(slice), limiting...)
	var job dbus.ObjectPath
	err := s.call(ctx, "StartTransientUnit", &job, slice, "replace", append(properties, is("Delegate", true)), []aux{})
	if refusesDelegation(err) {
		err = s.call(ctx, "StartTransientUnit", &job, slice, "replace", properties, []aux{})
	}
	if isError(err, errUnitExists) {
		if err := s.call(ctx, "SetUnitProperties", nil, slice, true, limiting); err != nil {
			return fmt.Errorf("set the limits of %s: %w", slice, err)
		}
		return nil
	}
	if err != nil {
		return fmt.Errorf("error creating systemd unit `%s`: %w", slice, err)
	}
	return s.done(ctx, "StartTransientUnit", slice, job)
}

func (s *systemd) stop(ctx context.Context, slice string) error {
	if err := s.listen(ctx); err != nil {
		return err
	}
	var job dbus.ObjectPath
	err := s.call(ctx, "StopUnit", &job, slice, "replace")
	if isError(err, errNoSuchUnit) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("stop systemd unit %s: %w", slice, err)
	}
	return s.done(ctx, "StopUnit", slice, job)
}

// done waits for the successful end of a job.
func (s *systemd) done(ctx context.Context, call, slice string, job dbus.ObjectPath) error {
	result, err := s.wait(ctx, job)
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		return fmt.Errorf("timed out while waiting for %s(%s) completion signal from dbus after %s", call, slice, jobLimit)
	case err != nil:
		return fmt.Errorf("wait for %s(%s): %w", call, slice, err)
	case result != "done" && call == "StartTransientUnit":
		return fmt.Errorf("error creating systemd unit `%s`: got `%s`", slice, result)
	case result != "done":
		return fmt.Errorf("error removing systemd unit `%s`: got `%s`", slice, result)
	}
	return nil
}

func isError(err error, name string) bool {
	var refused dbus.Error
	return errors.As(err, &refused) && refused.Name == name
}

// refusesDelegation reports whether systemd cannot delegate slices, as its newer versions cannot.
func refusesDelegation(err error) bool {
	var refused dbus.Error
	return errors.As(err, &refused) && strings.Contains(strings.ToLower(refused.Error()), "delegat")
}

// slicePath is where a slice is in the tree: a "-" in its name is a step down.
func slicePath(mount, slice string) string {
	path, name := mount, ""
	for part := range strings.SplitSeq(strings.TrimSuffix(slice, ".slice"), "-") {
		name += part
		path = filepath.Join(path, name+".slice")
		name += "-"
	}
	return path
}

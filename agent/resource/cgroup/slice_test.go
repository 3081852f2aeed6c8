package cgroup

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/godbus/dbus/v5"
	"github.com/google/go-cmp/cmp"
)

// fakeSystemd answers on a socket like systemd does on the system bus.
type fakeSystemd struct {
	delegates bool
	result    string // of jobs

	mu    sync.Mutex
	units map[string]bool
	calls []string
}

// serve starts it and returns its address.
func (f *fakeSystemd) serve(t *testing.T) string {
	t.Helper()
	f.units = map[string]bool{}
	dir, err := os.MkdirTemp("", "systemd") // short, and without a comma
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "bus")
	listener, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	all.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			all.Go(func() {
				defer conn.Close()
				f.talk(conn)
			})
		}
	})
	t.Cleanup(func() {
		listener.Close()
		all.Wait()
		os.RemoveAll(dir)
	})
	return "unix:path=" + path
}

// seen are the calls so far.
func (f *fakeSystemd) seen() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.calls)
}

// talk does the handshake and then answers calls.
func (f *fakeSystemd) talk(conn net.Conn) {
	in := bufio.NewReader(conn)
	if _, err := in.ReadByte(); err != nil { // the NUL that comes first
		return
	}
	for {
		line, err := in.ReadString('\n')
		if err != nil {
			return
		}
		word, rest, _ := strings.Cut(strings.TrimSpace(line), " ")
		switch {
		case word == "AUTH" && rest == "":
			io.WriteString(conn, "REJECTED EXTERNAL\r\n")
		case word == "AUTH":
			io.WriteString(conn, "OK 0123456789abcdef0123456789abcdef\r\n")
		case word == "BEGIN":
			f.answer(conn, in)
			return
		default:
			io.WriteString(conn, "ERROR\r\n")
		}
	}
}

func (f *fakeSystemd) answer(conn net.Conn, in *bufio.Reader) {
	serial := uint32(0)
	send := func(m *dbus.Message) error {
		serial++
		if len(m.Body) > 0 {
			m.Headers[dbus.FieldSignature] = dbus.MakeVariant(dbus.SignatureOf(m.Body...))
		}
		var out bytes.Buffer
		if err := m.EncodeTo(&out, binary.LittleEndian); err != nil {
			return err
		}
		binary.LittleEndian.PutUint32(out.Bytes()[8:], serial)
		_, err := conn.Write(out.Bytes())
		return err
	}
	for {
		call, err := dbus.DecodeMessage(in)
		if err != nil {
			return
		}
		member, _ := call.Headers[dbus.FieldMember].Value().(string)
		answer := &dbus.Message{Type: dbus.TypeMethodReply, Headers: map[dbus.HeaderField]dbus.Variant{dbus.FieldReplySerial: dbus.MakeVariant(call.Serial())}}
		refuse := func(name, text string) {
			answer.Type, answer.Body = dbus.TypeError, []any{text}
			answer.Headers[dbus.FieldErrorName] = dbus.MakeVariant(name)
		}
		unit := ""
		if len(call.Body) > 0 {
			unit, _ = call.Body[0].(string)
		}
		done := false
		f.mu.Lock()
		switch member {
		case "Hello":
			answer.Body = []any{":1.1"}
		case "Get":
			answer.Body = []any{dbus.MakeVariant("252")}
		case "StartTransientUnit":
			properties := describe(call.Body[2])
			f.calls = append(f.calls, member+" "+unit+" "+fmt.Sprint(call.Body[1])+" "+properties)
			switch {
			case f.units[unit]:
				refuse(errUnitExists, "Unit "+unit+" already exists.")
			case !f.delegates && strings.Contains(properties, "Delegate"):
				refuse("org.freedesktop.DBus.Error.InvalidArgs", "Delegation not available for unit type")
			default:
				f.units[unit], done = true, true
			}
		case "SetUnitProperties":
			f.calls = append(f.calls, member+" "+unit+" "+fmt.Sprint(call.Body[1])+" "+describe(call.Body[2]))
		case "StopUnit":
			f.calls = append(f.calls, member+" "+unit+" "+fmt.Sprint(call.Body[1]))
			if !f.units[unit] {
				refuse(errNoSuchUnit, "Unit "+unit+" not loaded.")
			} else {
				delete(f.units, unit)
				done = true
			}
		}
		f.mu.Unlock()
		job := dbus.ObjectPath("/org/freedesktop/systemd1/job/7")
		if done {
			answer.Body = []any{job}
		}
		if err := send(answer); err != nil {
			return
		}
		if !done {
			continue
		}
		for _, path := range []dbus.ObjectPath{job + "1", job} { // other jobs end too
			err := send(&dbus.Message{Type: dbus.TypeSignal, Body: []any{uint32(7), path, unit, f.result}, Headers: map[dbus.HeaderField]dbus.Variant{
				dbus.FieldPath: dbus.MakeVariant(dbus.ObjectPath(systemdPath)), dbus.FieldInterface: dbus.MakeVariant(systemdManager),
				dbus.FieldMember: dbus.MakeVariant(jobRemoved),
			}})
			if err != nil {
				return
			}
		}
	}
}

// describe gives properties as name=value.
func describe(list any) string {
	var words []string
	for _, p := range list.([][]any) {
		words = append(words, fmt.Sprintf("%s=%v", p[0], p[1].(dbus.Variant).Value()))
	}
	return strings.Join(words, " ")
}

const slice = "ecstasks-0f1e2d3c4b5a.slice"

func TestSlices(t *testing.T) {
	for _, c := range limitCases {
		t.Run(c.name, func(t *testing.T) {
			mount := t.TempDir()
			unified(t, mount, "/ecstasks.slice/"+slice)
			f := &fakeSystemd{result: "done"}
			tree := &Tree{Mount: mount, Unified: true, Systemd: true, Bus: f.serve(t)}
			if err := tree.Setup(t.Context(), true); err != nil {
				t.Fatal(err)
			}
			k, owner, r := c.plan(t, tree)
			for range 2 {
				if err := k.Create(t.Context(), owner, r); err != nil {
					t.Fatal(err)
				}
			}
			for range 2 {
				if err := k.Remove(t.Context(), owner, r); err != nil {
					t.Fatal(err)
				}
			}
			accounting := "MemoryAccounting=true CPUAccounting=true IOAccounting=true "
			start := "StartTransientUnit " + slice + " replace Description=cgroup " + slice + " DefaultDependencies=false Wants=[system.slice] " + accounting + c.slice
			want := []string{
				start + " Delegate=true", start, // it cannot delegate
				start + " Delegate=true", "SetUnitProperties " + slice + " true " + accounting + c.slice, // it is there
				"StopUnit " + slice + " replace", "StopUnit " + slice + " replace",
			}
			if diff := cmp.Diff(want, f.seen()); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestSlicesOfV1(t *testing.T) {
	f := &fakeSystemd{result: "done", delegates: true}
	tree := &Tree{Mount: t.TempDir(), Systemd: true, Bus: f.serve(t)}
	limits := Limits{CPU: &CPU{Shares: 20}, Memory: &Memory{4096}}
	if err := tree.Make(t.Context(), slice, limits); err != nil {
		t.Fatal(err)
	}
	if want := "MemoryAccounting=true CPUAccounting=true MemoryLimit=4096 CPUShares=20 Delegate=true"; len(f.seen()) != 1 || !strings.HasSuffix(f.seen()[0], want) {
		t.Error(f.seen())
	}
}

func TestAJobThatFails(t *testing.T) {
	f := &fakeSystemd{result: "failed", delegates: true}
	tree := &Tree{Mount: t.TempDir(), Systemd: true, Bus: f.serve(t)}
	if err := tree.Make(t.Context(), slice, Limits{}); err == nil || err.Error() != "error creating systemd unit `"+slice+"`: got `failed`" {
		t.Error(err)
	}
	if err := tree.Remove(t.Context(), slice); err == nil || !strings.Contains(err.Error(), "got `failed`") {
		t.Error(err)
	}
}

func TestWhereASliceIs(t *testing.T) {
	for name, want := range map[string]string{
		"ecstasks-abc.slice":   "/c/ecstasks.slice/ecstasks-abc.slice",
		"ecstasks-ab-cd.slice": "/c/ecstasks.slice/ecstasks-ab.slice/ecstasks-ab-cd.slice",
	} {
		if got := slicePath("/c", name); got != want {
			t.Errorf("%s: %s", name, got)
		}
	}
}

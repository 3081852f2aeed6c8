package main

import (
	"bytes"
	"context"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestForward(t *testing.T) {
	const twoAtOnce = "\x92\xa1t\x92\x92\x01\x81\xa3log\xa1a\x92\x02\x81\xa3log\xa1b"
	const withTime = "\x94\xa1t\xd7\x00\x00\x00\x00\x01\x00\x00\x00\x02\x83\xa3log\xd9\x05hello\xa1n\xd1\xff\xfe\xa1x\xc4\x01z\x80"
	var got []any
	keep := func(tag string, record map[string]any) { got = append(got, tag, record) }
	if err := readForward(strings.NewReader(withTime+twoAtOnce), keep); err != nil {
		t.Fatal(err)
	}
	want := []any{"t", map[string]any{"log": "hello", "n": int64(-2), "x": "z"}, "t", map[string]any{"log": "a"}, "t", map[string]any{"log": "b"}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	for _, broken := range []string{"\x93\xa1t", "\xdd\xff\xff\xff\xff", "\xdb\xff\xff\xff\xff", "\xc1", "\x01", "\x90", strings.Repeat("\x91", 100)} {
		if err := readForward(strings.NewReader(broken), keep); err == nil {
			t.Errorf("%q was read", broken)
		}
	}
}

func FuzzForward(f *testing.F) {
	f.Add([]byte("\x93\xa1t\x01\x81\xa3log\xa1a"))
	f.Fuzz(func(t *testing.T, data []byte) {
		_ = readForward(bytes.NewReader(data), func(string, map[string]any) {})
	})
}

func TestARecordOnItsWay(t *testing.T) {
	dir, err := os.MkdirTemp("", "router")
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	target, err := net.Listen("unix", filepath.Join(dir, "target"))
	if err != nil {
		t.Fatal(err)
	}
	defer target.Close()
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	more := write("more", "[FILTER]\n Name grep\n Match app-*\n Exclude log noise\n")
	file := write("conf", "\n[INPUT]\n    Name forward\n    unix_path "+dir+"/in\n\n[INPUT]\n    Name tcp\n    Listen 127.0.0.1\n    Port 0\n"+
		"[FILTER]\n    Name   grep\n    Match app-*\n    Regex  log ^keep\n\n[FILTER]\n    Name record_modifier\n    Match *\n    Record cluster the demo\n\n@INCLUDE "+more+"\n"+
		"[OUTPUT]\n    Name tcp\n    Match app-*\n    Host "+dir+"/target\n    Token ${TOKEN}\n\n[OUTPUT]\n    Name stdout\n    Match other\n")
	t.Setenv("TOKEN", "secret")
	ctx, cancel := context.WithCancel(t.Context())
	over := make(chan error)
	var stdout bytes.Buffer
	go func() { over <- run(ctx, file, &stdout) }()

	var conn net.Conn
	for deadline := t.Context(); deadline.Err() == nil; {
		if conn, err = net.Dial("unix", dir+"/in"); err == nil {
			break
		}
	}
	io.WriteString(conn, "\x93\xa5other\x01\x81\xa3log\xa1o\x93\xa5app-1\x01\x81\xa3log\xa4drop\x93\xa5app-1\x01\x81\xa3log\xaakeep noise\x93\xa5app-1\x01\x81\xa3log\xa7keep it")
	arrived, err := target.Accept()
	if err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(arrived)
	arrived.Close()
	if want := "token secret\n{\"record\":{\"cluster\":\"the demo\",\"log\":\"keep it\"},\"tag\":\"app-1\"}\n"; string(text) != want || err != nil {
		t.Errorf("%s, %v", text, err)
	}
	cancel()
	if err := <-over; err != nil {
		t.Error(err)
	}
	conn.Close()
	if want := "{\"record\":{\"cluster\":\"the demo\",\"log\":\"o\"},\"tag\":\"other\"}\n"; stdout.String() != want {
		t.Errorf("stdout %s", stdout.String())
	}
}

func TestWhatItCannotDo(t *testing.T) {
	for _, text := range []string{"Name x\n", "[OUTPUT]\nName kinesis\nMatch *\n", "@INCLUDE /does/not/exist\n", "[FILTER]\nName grep\nMatch *\nRegex log (\n"} {
		file := filepath.Join(t.TempDir(), "conf")
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := run(t.Context(), file, io.Discard); err == nil {
			t.Errorf("%q was taken", text)
		}
	}
}

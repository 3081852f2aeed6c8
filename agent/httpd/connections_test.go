package httpd

import (
	"errors"
	"io"
	"math"
	"net"
	"strings"
	"testing"
	"time"
)

func TestConnectionLimit(t *testing.T) {
	for files, want := range map[uint64]int{0: 16, 30: 16, 40000: 10000, 1024: 256, 65536: 16384, 1 << 20: 16384, math.MaxUint64: 16384} {
		if got := connectionLimit(files); got != want {
			t.Errorf("%d open files: %d connections, want %d", files, got, want)
		}
	}
}

// TestConnectionsOverTheLimitWait has two connections that say nothing and a limit of two.
func TestConnectionsOverTheLimitWait(t *testing.T) {
	address, stop := serve(t, Server{Name: "test", Handler: testRoutes(), connections: 2})
	var silent []net.Conn
	for range 2 {
		conn, err := net.Dial("tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		silent = append(silent, conn)
	}
	waiting, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer waiting.Close()
	if _, err := io.WriteString(waiting, wellBehaved); err != nil {
		t.Fatal(err)
	}
	read := func(limit time.Duration) (string, error) {
		_ = waiting.SetReadDeadline(time.Now().Add(limit))
		answer := make([]byte, 12)
		_, err := io.ReadFull(waiting, answer)
		return string(answer), err
	}
	var late net.Error
	if answer, err := read(timeout / 5); !errors.As(err, &late) || !late.Timeout() {
		t.Fatalf("a third connection is served: %q, %v", answer, err)
	}
	silent[0].Close()
	if answer, err := read(timeout); answer != "HTTP/1.1 200" {
		t.Errorf("after one has gone: %q, %v", answer, err)
	}
	// The end of the server does not wait for a place.
	if conn, err := net.Dial("tcp", address); err == nil {
		defer conn.Close()
	}
	began := time.Now()
	stop()
	if took := time.Since(began); took > 2*time.Second {
		t.Errorf("the end takes %v", took)
	}
}

// TestAConnectionLeavesItsPlaceOnce closes connections again and again, as net/http does.
func TestAConnectionLeavesItsPlaceOnce(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	b := bound(l, 1)
	for range 3 {
		client, err := net.Dial("tcp", l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		conn, err := b.Accept()
		if err != nil {
			t.Fatal(err)
		}
		if len(b.places) != 1 {
			t.Error("no place is taken")
		}
		for range 3 {
			_ = conn.Close()
		}
		_ = client.Close()
	}
	if len(b.places) != 0 {
		t.Error("a place is lost")
	}
	_ = b.Close()
	_ = b.Close()
	if _, err := b.Accept(); err == nil || !strings.Contains(err.Error(), "closed") || len(b.places) != 0 {
		t.Errorf("%v, %d places taken", err, len(b.places))
	}
}

package httpd

import (
	"errors"
	"fmt"
	"io"
	"math"
	"net"
	"net/http"
	"testing"
	"time"
)

func TestConnectionLimit(t *testing.T) {
	for files, want := range map[uint64]int{0: 16, 30: 16, 40000: 10000, 1024: 256, 65536: 10240, 1 << 20: 10240, math.MaxUint64: 10240} {
		if got := connectionLimit(files); got != want {
			t.Errorf("%d open files: %d connections, want %d", files, got, want)
		}
	}
}

// dial opens a connection and says something on it.
func dial(t *testing.T, address, request string) net.Conn {
	t.Helper()
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	if _, err := io.WriteString(conn, request); err != nil {
		t.Fatal(err)
	}
	return conn
}

// soon is shorter than the time after which silent connections are closed anyway.
const soon = timeout * 4 / 5

// hear reads n bytes.
func hear(conn net.Conn, n int, limit time.Duration) (string, error) {
	_ = conn.SetReadDeadline(time.Now().Add(limit))
	text := make([]byte, n)
	read, err := io.ReadFull(conn, text)
	return string(text[:read]), err
}

const (
	keptAlive = "GET /v3/eid HTTP/1.1\r\nHost: x\r\n\r\n"
	served    = "HTTP/1.1 200"
)

// closed reports whether the other end closes the connection within limit.
func closed(conn net.Conn, limit time.Duration) bool {
	var late net.Error
	for {
		if _, err := hear(conn, 1, limit); err != nil {
			return !errors.As(err, &late) || !late.Timeout()
		}
	}
}

// TestTheLongestSilentConnectionMakesRoom has a limit of three connections, and more.
func TestTheLongestSilentConnectionMakesRoom(t *testing.T) {
	address, _ := serve(t, Server{Name: "test", connections: 3, Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "x") })})
	wantServed := func(conn net.Conn) {
		t.Helper()
		if answer, err := hear(conn, len(served), soon); answer != served {
			t.Fatalf("%q, %v", answer, err)
		}
	}
	silent, slow := dial(t, address, ""), dial(t, address, keptAlive[:20])
	idle := dial(t, address, keptAlive) // between two requests, once it was served
	wantServed(idle)
	for _, conn := range []net.Conn{silent, slow} {
		wantServed(dial(t, address, keptAlive))
		if !closed(conn, soon) {
			t.Error("a silent connection is open")
		}
	}
	// The server may take a moment to see that it has come to the end of a request.
	for began := time.Now(); !closed(idle, soon/100); wantServed(dial(t, address, keptAlive)) {
		if time.Since(began) > soon {
			t.Fatal("an idle connection is open")
		}
	}
}

// TestConnectionsAtWorkStay has a limit of one connection that is at work, and a second.
func TestConnectionsAtWorkStay(t *testing.T) {
	begun, end := make(chan struct{}, 3), make(chan struct{})
	address, stop := serve(t, Server{Name: "test", connections: 1, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		begun <- struct{}{}
		select {
		case <-end:
		case <-r.Context().Done():
		}
		fmt.Fprint(w, "x")
	})})
	first := dial(t, address, wellBehaved)
	<-begun
	second := dial(t, address, wellBehaved)
	var late net.Error
	if answer, err := hear(second, 1, timeout/5); !errors.As(err, &late) || !late.Timeout() {
		t.Fatalf("over the limit: %q, %v", answer, err)
	}
	end <- struct{}{}
	for _, conn := range []net.Conn{first, second} {
		if answer, err := hear(conn, len(served), soon); answer != served {
			t.Errorf("%q, %v", answer, err)
		}
		if conn == first {
			<-begun
			end <- struct{}{}
		}
	}
	// The end of the server waits for no place.
	dial(t, address, wellBehaved)
	<-begun
	dial(t, address, wellBehaved)
	began := time.Now()
	stop()
	if took := time.Since(began); took > timeout/2 {
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
		dial(t, l.Addr().String(), "")
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
	}
	if len(b.places) != 0 {
		t.Error("a place is lost")
	}
	_ = b.Close()
	_ = b.Close()
	if _, err := b.Accept(); !errors.Is(err, net.ErrClosed) || len(b.places) != 0 {
		t.Errorf("%v, %d places taken", err, len(b.places))
	}
}

// TestALongBodyIsNotWaitedFor has clients that announce more than anybody reads: they get their answer at once, and the end of
// the connection with it, although the server listens on for a moment.
func TestALongBodyIsNotWaitedFor(t *testing.T) {
	address, _ := serve(t, Server{Name: "test", Handler: http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})})
	quickest := timeout
	for range 5 { // the machine may be busy
		began := time.Now()
		conn := dial(t, address, "PUT / HTTP/1.1\r\nHost: x\r\nContent-Length: 10000000\r\n\r\n")
		if answer, err := hear(conn, len(served), soon); answer != served {
			t.Fatalf("%q, %v", answer, err)
		}
		if !closed(conn, soon) {
			t.Fatal("the connection is open")
		}
		quickest = min(quickest, time.Since(began))
	}
	const listens = 500 * time.Millisecond // net/http
	if quickest >= listens {
		t.Errorf("the end comes after %v", quickest)
	}
}

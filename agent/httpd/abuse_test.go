//go:build linux

package httpd

import (
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// abused is a task server that others try to hurt.
func abused(t *testing.T) (address string) {
	t.Helper()
	address, _ = serve(t, Server{Name: "test", Handler: TaskServer{Routes: testRoutes(), Limiter: NewLimiter(1e6, 1<<20)}.Handler()})
	return address
}

// wantQuick sends a request of somebody who did nothing wrong.
func wantQuick(t *testing.T, address string) {
	t.Helper()
	began := time.Now()
	if answer := fetch(address, wellBehaved); !strings.HasPrefix(answer, "HTTP/1.1 200") {
		t.Errorf("answer %.200q", answer)
	}
	if took := time.Since(began); took > timeout*4/5 { // who has to wait for the others waits for the timeout
		t.Errorf("an honest request takes %v", took)
	}
}

func TestMalformedRequests(t *testing.T) {
	address := abused(t)
	for _, test := range []struct{ name, request, status string }{
		{"bad escape", "GET /v3/%zz HTTP/1.1\r\nHost: x\r\n\r\n", "400"},
		{"no slash", "GET v3 HTTP/1.1\r\nHost: x\r\n\r\n", "400"},
		{"no host", "GET /v3/eid HTTP/1.1\r\n\r\n", "400"},
		{"not HTTP", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", "400"},
		{"two lengths", "PUT /v3/eid HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nx", "400"},
		{"bad chunk", "PUT /v3/eid HTTP/1.1\r\nHost: x\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", "200"}, // the route does not read it
		{"huge header", "GET /v3/eid HTTP/1.1\r\nHost: x\r\nX: " + strings.Repeat("x", 2*maxHeaderBytes) + "\r\n\r\n", "431"},
		{"many headers", "GET /v3/eid HTTP/1.1\r\nHost: x\r\n" + strings.Repeat("X: y\r\n", maxHeaderBytes/4) + "\r\n", "431"},
		{"huge path", "GET /" + strings.Repeat("x", 2*maxHeaderBytes) + " HTTP/1.1\r\nHost: x\r\n\r\n", "431"},
		{"long path", "GET /" + strings.Repeat("x/", maxHeaderBytes/4) + " HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", "404"},
		{"many dots", "GET /" + strings.Repeat("../", maxHeaderBytes/6) + " HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", "301"},
		{"NUL", "GET /v3/a%00b HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", "200"},
		{"absolute", "GET http://other.example/v3/eid HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", "200"},
	} {
		t.Run(test.name, func(t *testing.T) {
			if answer := fetch(address, test.request); !strings.HasPrefix(answer, "HTTP/1.1 "+test.status) && !(test.status == "431" && strings.Contains(answer, "reset")) {
				t.Errorf("answer %.200q, want %s", answer, test.status)
			}
		})
	}
	random := rand.New(rand.NewPCG(1, 2))
	for range 200 {
		request := make([]byte, random.IntN(300))
		for i := range request {
			request[i] = byte(random.IntN(256))
		}
		if answer := fetch(address, string(request)+"\r\n\r\n"); strings.HasPrefix(answer, "HTTP/1.1 5") {
			t.Errorf("%q: %.200q", request, answer)
		}
	}
	wantQuick(t, address)
}

// TestSlowClients has clients that send a byte now and then.
func TestSlowClients(t *testing.T) {
	address := abused(t)
	const clients = 50
	var over sync.WaitGroup
	began := time.Now()
	for i := range clients {
		over.Go(func() {
			conn, err := net.Dial("tcp", address)
			if err != nil {
				t.Error(err)
				return
			}
			defer conn.Close()
			request := "GET /v3/eid HTTP/1.1\r\nHost: x\r\nX: " + strings.Repeat("y", 10000)
			if i%2 == 0 {
				request = "PUT /v3/eid HTTP/1.1\r\nHost: x\r\nContent-Length: 10000\r\n\r\n" + request
			}
			for at := range len(request) {
				if _, err := conn.Write([]byte{request[at]}); err != nil {
					return // cut off
				}
				time.Sleep(100 * time.Millisecond)
				if time.Since(began) > 4*timeout {
					t.Error("a slow client is served for ever")
					return
				}
			}
		})
	}
	for range 5 {
		wantQuick(t, address)
	}
	over.Wait()
}

// TestClientsThatDoNotRead send requests and leave the answers alone: they are cut off when an answer cannot be written, and
// what is kept for them is small.
func TestClientsThatDoNotRead(t *testing.T) {
	long := strings.Repeat("x", 256<<10)
	address, _ := serve(t, Server{Name: "test", Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/long" {
			_, _ = io.WriteString(w, long)
			return
		}
		_, _ = io.WriteString(w, "short")
	})})
	goroutines := runtime.NumGoroutine()
	const clients = 20
	var over sync.WaitGroup
	for range clients {
		over.Go(func() {
			conn, err := net.Dial("tcp", address)
			if err != nil {
				t.Error(err)
				return
			}
			defer conn.Close()
			_ = conn.SetWriteDeadline(time.Now().Add(4 * timeout))
			for {
				if _, err := io.WriteString(conn, "GET /long HTTP/1.1\r\nHost: x\r\n\r\n"); err != nil {
					if errors.Is(err, os.ErrDeadlineExceeded) {
						t.Error("a client that does not read is kept for ever")
					}
					return
				}
			}
		})
	}
	for range 5 {
		wantQuick(t, address)
	}
	over.Wait()
	for deadline := time.Now().Add(2 * timeout); runtime.NumGoroutine() > goroutines+5; time.Sleep(50 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%d goroutines are left", runtime.NumGoroutine()-goroutines)
		}
	}
	wantQuick(t, address)
}

// TestManyConnections opens ten thousand connections that say nothing.
func TestManyConnections(t *testing.T) {
	many := 10000
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err == nil {
		before := limit
		limit.Cur = min(limit.Max, uint64(2*many+500)) // both ends are in this process
		if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &limit); err == nil {
			t.Cleanup(func() { _ = unix.Setrlimit(unix.RLIMIT_NOFILE, &before) })
		}
		if room := int(limit.Cur)/2 - 250; room < many {
			many = room
			t.Logf("only %d connections: the limit of open files is %d", many, limit.Max)
		}
	}
	address, _ := serve(t, Server{Name: "test", Handler: testRoutes(), connections: maxConnections})
	goroutines := runtime.NumGoroutine()
	var before, during runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	conns := make([]net.Conn, 0, many)
	defer func() {
		for _, c := range conns {
			c.Close()
		}
	}()
	for range many {
		c, err := net.Dial("tcp", address)
		if err != nil {
			t.Fatalf("connection %d: %v", len(conns), err)
		}
		conns = append(conns, c)
	}
	wantQuick(t, address)
	runtime.ReadMemStats(&during)
	if perConn := (int64(during.HeapInuse+during.StackInuse) - int64(before.HeapInuse+before.StackInuse)) / int64(many); perConn > 32<<10 {
		t.Errorf("%d bytes for a connection", perConn)
	}
	// They are closed because they say nothing.
	_ = conns[many-1].SetReadDeadline(time.Now().Add(4 * timeout))
	if _, err := conns[many-1].Read(make([]byte, 1)); err != io.EOF {
		t.Errorf("a silent connection: %v, want it closed", err)
	}
	for deadline := time.Now().Add(2 * timeout); runtime.NumGoroutine() > goroutines+50; time.Sleep(50 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%d goroutines are left of %d connections", runtime.NumGoroutine()-goroutines, many)
		}
	}
	wantQuick(t, address)
}

// TestMoreConnectionsThanPlaces opens ten times as many silent connections as the server keeps.
func TestMoreConnectionsThanPlaces(t *testing.T) {
	const places = 200
	address, _ := serve(t, Server{Name: "test", Handler: testRoutes(), connections: places})
	for i := range 10 * places {
		c, err := net.Dial("tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		if i%places == places-1 {
			wantQuick(t, address)
		}
	}
}

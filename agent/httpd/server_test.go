package httpd

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/aws/amazon-ecs-agent/agent/logger"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestServerTriesAgainForEver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		var tries []time.Time
		s := Server{Name: "test", listen: func(context.Context) (net.Listener, error) {
			tries = append(tries, time.Now())
			if len(tries) == 10 {
				cancel()
			}
			return nil, errors.New("address in use")
		}}
		if err := s.Run(ctx); err != nil {
			t.Error(err)
		}
		least := time.Second
		for i := 1; i < len(tries); i++ {
			if pause := tries[i].Sub(tries[i-1]); pause < least || pause > least*12/10 {
				t.Errorf("pause %d is %v, want %v to 20%% more", i, pause, least)
			}
			least = min(2*least, time.Minute)
		}
	})
}

// failing is a listener that breaks at once.
type failing struct{ net.Listener }

func (failing) Accept() (net.Conn, error) { return nil, errors.New("broken") }
func (failing) Close() error              { return nil }

func TestServerStartsAgainAfterItFailed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		tries := 0
		s := Server{Name: "test", listen: func(context.Context) (net.Listener, error) {
			tries++
			return failing{}, nil
		}}
		if err := s.Run(ctx); err != nil {
			t.Error(err)
		}
		// It could listen each time, so the pause stays at its least.
		if tries < 50 || tries > 61 {
			t.Errorf("%d tries in a minute", tries)
		}
	})
}

// serve runs a server on a free port of the loopback interface until the test ends, and gives its address.
func serve(t *testing.T, s Server) (address string, stop func()) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s.listen = func(context.Context) (net.Listener, error) { return listener, nil }
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	stopped := false
	stop = func() {
		if stopped {
			return
		}
		stopped = true
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
	t.Cleanup(stop)
	return listener.Addr().String(), stop
}

func TestShutdownEndsWaitingRequests(t *testing.T) {
	entered := make(chan struct{})
	address, stop := serve(t, Server{Name: "test", Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		close(entered)
		<-r.Context().Done()
		w.WriteHeader(http.StatusServiceUnavailable)
	})})
	answered := make(chan string, 1)
	go func() { answered <- fetch(address, "GET /x HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n") }()
	<-entered
	start := time.Now()
	stop()
	if took := time.Since(start); took > 2*time.Second {
		t.Errorf("took %v", took)
	}
	if got := <-answered; !strings.HasPrefix(got, "HTTP/1.1 503") {
		t.Errorf("answer %q", got)
	}
	if _, err := net.Dial("tcp", address); err == nil {
		t.Error("still listening")
	}
}

func TestPanicIsAnswered(t *testing.T) {
	address, _ := serve(t, Server{Name: "test", Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		panic("boom")
	})})
	answer := fetch(address, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
	if !strings.HasPrefix(answer, "HTTP/1.1 500") || !strings.Contains(answer, "Connection: close\r\n") || !strings.HasSuffix(answer, "\r\n\r\n") || strings.Contains(answer, "json") {
		t.Errorf("answer %q", answer)
	}
}

func TestAPanicTellsNoSecret(t *testing.T) {
	var lines strings.Builder
	logger.Setup(logger.Options{Driver: &lines, DriverLevel: logger.LevelDebug, FileLevel: logger.LevelOff})
	t.Cleanup(func() { logger.Setup(logger.Options{DriverLevel: logger.LevelInfo, FileLevel: logger.LevelOff}) })
	h := recovering{http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic("boom") })}
	h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("GET", "/v2/credentials/the-id?id=the-id", nil))
	if text := lines.String(); !strings.Contains(text, "boom") || strings.Contains(text, "the-id") {
		t.Error(text)
	}
}

func TestBodiesAreLimited(t *testing.T) {
	address, _ := serve(t, Server{Name: "test", Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		n, err := io.Copy(io.Discard, r.Body)
		fmt.Fprintf(w, "%d %v", n, err)
	})})
	body := strings.Repeat("x", maxBodyBytes+1)
	answer := fetch(address, fmt.Sprintf("PUT / HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: %d\r\n\r\n%s", len(body), body))
	if !strings.HasSuffix(answer, "65536 http: request body too large") {
		t.Errorf("answer %q", answer)
	}
	body = body[1:]
	answer = fetch(address, fmt.Sprintf("PUT / HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: %d\r\n\r\n%s", len(body), body))
	if !strings.HasSuffix(answer, "65536 <nil>") {
		t.Errorf("answer %q", answer)
	}
}

const wellBehaved = "GET /v3/eid HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"

// fetch sends raw bytes and gives all that comes back.
func fetch(address, request string) string {
	conn, err := net.Dial("tcp", address)
	if err != nil {
		return err.Error()
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(10 * time.Second))
	if _, err := io.WriteString(conn, request); err != nil {
		return err.Error()
	}
	answer, err := io.ReadAll(bufio.NewReader(conn))
	if err != nil {
		return err.Error()
	}
	return string(answer)
}

func TestAServerTellsThatItListens(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		tries, told := 0, 0
		s := Server{Name: "test", Listening: func() { told = tries }, listen: func(context.Context) (net.Listener, error) {
			if tries++; tries < 3 {
				return nil, errors.New("address in use")
			}
			cancel()
			return failing{}, nil
		}}
		if err := s.Run(ctx); err != nil || told != 3 {
			t.Errorf("%v, told after %d tries", err, told)
		}
	})
}

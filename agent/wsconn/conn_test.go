package wsconn

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gorilla/websocket"
)

// dial connects to talk over a pipe.
func dial(t *testing.T, talk func(*websocket.Conn, *http.Request)) *Conn {
	t.Helper()
	d := Dialer{NetDial: serve(t, talk).Dial}
	conn, err := d.Dial(t.Context(), "ws://acs.test/ws?")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return conn
}

func TestMessagesOfAnySize(t *testing.T) {
	for _, size := range []int{0, 1, 4096, 1 << 20, 4 << 20} {
		t.Run(fmt.Sprint(size), func(t *testing.T) {
			conn := dial(t, func(c *websocket.Conn, _ *http.Request) { // echo
				for {
					kind, data, err := c.ReadMessage()
					if err != nil || c.WriteMessage(kind, data) != nil {
						return
					}
				}
			})
			sent := bytes.Repeat([]byte("a"), size)
			if err := conn.WriteText(sent); err != nil {
				t.Fatal(err)
			}
			got, binary, err := conn.Read()
			if err != nil || binary || !bytes.Equal(got, sent) {
				t.Errorf("got %d bytes, binary %t, %v", len(got), binary, err)
			}
		})
	}
}

func TestBinaryMessagesAreMarked(t *testing.T) {
	conn := dial(t, func(c *websocket.Conn, _ *http.Request) { _ = c.WriteMessage(websocket.BinaryMessage, []byte("{}")) })
	if data, binary, err := conn.Read(); !binary || err != nil || string(data) != "{}" {
		t.Error(string(data), binary, err)
	}
}

func TestHowThePeerEndsAConnection(t *testing.T) {
	for code, want := range map[int]struct{ orderly, dropped bool }{
		1000: {orderly: true}, 1001: {orderly: true}, 1011: {dropped: true}, 1002: {}, 1008: {}, 1013: {},
	} {
		conn := dial(t, func(c *websocket.Conn, _ *http.Request) {
			_ = c.WriteControl(websocket.CloseMessage, websocket.FormatCloseMessage(code, "bye"), time.Now().Add(time.Second))
			drain(c)
		})
		if _, _, err := conn.Read(); err == nil || Orderly(err) != want.orderly || Dropped(err) != want.dropped {
			t.Errorf("close frame %d: %v", code, err)
		}
	}
	conn := dial(t, func(*websocket.Conn, *http.Request) {})
	if _, _, err := conn.Read(); Orderly(err) || !Dropped(err) {
		t.Errorf("dropped: %v", err)
	}
	if reset := errors.New("connection reset by peer"); Orderly(reset) || Dropped(reset) {
		t.Error("a reset is none of them")
	}
}

func timedOut(err error) bool {
	var failed net.Error
	return errors.As(err, &failed) && failed.Timeout()
}

func TestReadDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		defer close(release)
		conn := dial(t, func(c *websocket.Conn, _ *http.Request) {
			time.Sleep(100 * time.Second) // simulated
			_ = c.WriteMessage(websocket.TextMessage, []byte("x"))
			go drain(c)
			for range 3 { // pings do not help
				time.Sleep(50 * time.Second)
				_ = c.WriteControl(websocket.PingMessage, nil, time.Now().Add(time.Second))
			}
			<-release
		})
		begun := time.Now()
		if _, _, err := conn.Read(); err != nil {
			t.Fatal(err)
		}
		_, _, err := conn.Read()
		if !timedOut(err) {
			t.Error(err)
		}
		if took := time.Since(begun); took != 280*time.Second {
			t.Errorf("the connection lasted %v, want 100 s and 180 s after the last message", took)
		}
		_ = conn.Close()
	})
}

func TestWriteDeadlineEndsTheConnection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		conn := dial(t, func(*websocket.Conn, *http.Request) { <-release }) // does not read
		read := make(chan error, 1)
		go func() { _, _, err := conn.Read(); read <- err }()
		time.Sleep(10 * time.Second)
		begun := time.Now()
		if err := conn.WriteText([]byte("x")); !timedOut(err) {
			t.Error(err)
		}
		if took := time.Since(begun); took != 180*time.Second {
			t.Errorf("write gave up after %v", took)
		}
		if err := <-read; err == nil {
			t.Error("reading went on")
		}
		close(release)
	})
}

func TestCloseEndsReadAndWriteAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		conn := dial(t, func(*websocket.Conn, *http.Request) { <-release })
		var ended sync.WaitGroup
		ended.Go(func() {
			if _, _, err := conn.Read(); err == nil {
				t.Error("read something")
			}
		})
		ended.Go(func() {
			if err := conn.WriteText([]byte("x")); err == nil {
				t.Error("wrote something")
			}
		})
		synctest.Wait()
		begun := time.Now()
		_ = conn.Close()
		ended.Wait()
		if took := time.Since(begun); took != 0 {
			t.Errorf("took %v", took)
		}
		close(release)
	})
}

func TestCloseFrameFromHere(t *testing.T) {
	got := make(chan error, 1)
	conn := dial(t, func(c *websocket.Conn, _ *http.Request) {
		_, _, err := c.ReadMessage() // answers the close frame
		got <- err
	})
	if err := conn.WriteExpired(); err != nil {
		t.Fatal(err)
	}
	if err := conn.WriteText([]byte("x")); !errors.Is(err, websocket.ErrCloseSent) {
		t.Error("write after the close frame:", err)
	}
	_, _, err := conn.Read()
	if !Orderly(err) {
		t.Error(err)
	}
	var end *websocket.CloseError
	if err := <-got; !errors.As(err, &end) || end.Code != 1000 || end.Text != "ConnectionExpired: Reconnect to continue" {
		t.Error(err)
	}
}

func TestWritesAreSerialised(t *testing.T) {
	const writers, each = 8, 20
	received := make(chan string, writers*each)
	conn := dial(t, func(c *websocket.Conn, _ *http.Request) {
		defer close(received)
		for range writers * each {
			_, data, err := c.ReadMessage()
			if err != nil {
				return
			}
			received <- string(data)
		}
	})
	var all sync.WaitGroup
	for w := range writers {
		all.Go(func() {
			for range each {
				if err := conn.WriteText([]byte(strings.Repeat(fmt.Sprint(w), 40_000))); err != nil {
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
	n := 0
	for text := range received {
		n++
		if len(text) != 40_000 || strings.Trim(text, text[:1]) != "" {
			t.Fatal("messages were mixed up")
		}
	}
	if n != writers*each {
		t.Errorf("%d messages", n)
	}
}

// What is no websocket frame ends the connection with an error, never with a panic.
func FuzzFrames(f *testing.F) {
	f.Add([]byte{0x81, 0x02, '{', '}'})
	f.Add([]byte{0x88, 0x02, 0x03, 0xe8})
	f.Add([]byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff})
	f.Add([]byte{0x89, 0x01, 'p', 0x01, 0x01, 'a', 0x80, 0x01, 'b'})
	f.Fuzz(func(t *testing.T, frames []byte) {
		conn := dial(t, func(c *websocket.Conn, _ *http.Request) {
			go func() { _, _ = io.Copy(io.Discard, c.NetConn()) }()
			_, _ = c.NetConn().Write(frames)
		})
		for {
			if _, _, err := conn.Read(); err != nil {
				if errors.Is(err, net.ErrClosed) {
					t.Error(err)
				}
				return
			}
		}
	})
}

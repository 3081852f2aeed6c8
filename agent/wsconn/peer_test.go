package wsconn

import (
	"net/http"
	"testing"

	"github.com/gorilla/websocket"
	"go.uber.org/goleak"

	"github.com/aws/amazon-ecs-agent/agent/wsconn/wsconntest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// serve answers upgrades on pipes with talk until the test ends.
func serve(t *testing.T, talk func(*websocket.Conn, *http.Request)) *wsconntest.Pipes {
	t.Helper()
	return wsconntest.Serve(t, upgrade(talk))
}

func upgrade(talk func(*websocket.Conn, *http.Request)) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		conn, err := (&websocket.Upgrader{}).Upgrade(w, r, nil)
		if err != nil {
			return
		}
		defer conn.Close()
		talk(conn, r)
	})
}

// drain reads until the connection ends.
func drain(c *websocket.Conn) {
	for {
		if _, _, err := c.ReadMessage(); err != nil {
			return
		}
	}
}

package wsconn

import (
	"errors"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/gorilla/websocket"
)

// ExpiredText is what the agent gives as its reason when it asks for the end of a connection.
const ExpiredText = "ConnectionExpired: Reconnect to continue"

const (
	maxAge       = 30 * time.Minute
	maxAgeJitter = 5 * time.Minute
)

// MaxAge is the age at which the agent asks for the end of a connection, so that connections spread anew over the service's
// hosts; not the same for all agents, so that they do not come back in the same instant.
func MaxAge() time.Duration { return maxAge + rand.N(maxAgeJitter) }

// Orderly reports whether a Read failed because the peer ended the connection with a close frame that says normal closure
// or going away.
func Orderly(err error) bool {
	return closedWith(err, websocket.CloseNormalClosure, websocket.CloseGoingAway)
}

// Dropped reports whether a Read failed because the peer ended the connection without a close frame, or with one that says
// internal error.
func Dropped(err error) bool {
	return closedWith(err, websocket.CloseAbnormalClosure, websocket.CloseInternalServerErr)
}

func closedWith(err error, codes ...int) bool {
	var end *websocket.CloseError
	return errors.As(err, &end) && slices.Contains(codes, end.Code)
}

package awsclient

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"slices"
	"strconv"
	"time"
)

// Retries says how often one logical call tries, and how long it waits between attempts.
//
// There is no client-side retry quota: a shared bucket of tokens silently turns long retries into single attempts during
// an outage. The budget is the number of attempts, nothing else.
type Retries struct {
	// MaxAttempts is at least 1.
	MaxAttempts int
	// Delay is the pause after attempt n = 1, 2, …
	Delay func(n int) time.Duration
}

// AttemptTimeout bounds one HTTP request: 30 s to connect, 10 s for TLS and 2 s to spare.
const AttemptTimeout = dialTimeout + tlsTimeout + 2*time.Second

const (
	standardAttempts = 3
	standardMaxDelay = 20 * time.Second
)

// StandardRetries is the policy of ordinary calls: three attempts, u × 2ⁿ s between them with u drawn from [0, 1), at most
// 20 s. AWS_MAX_ATTEMPTS lowers the number of attempts.
func StandardRetries(getenv func(string) string) Retries {
	return Retries{MaxAttempts: CapAttempts(getenv, standardAttempts), Delay: standardDelay}
}

func standardDelay(n int) time.Duration {
	d := time.Duration(rand.Float64() * float64(time.Second) * float64(int64(1)<<min(n, 30)))
	return min(d, standardMaxDelay)
}

// CapAttempts lowers max to AWS_MAX_ATTEMPTS when that is set to a smaller positive number.
func CapAttempts(getenv func(string) string, max int) int {
	if n, err := strconv.Atoi(getenv("AWS_MAX_ATTEMPTS")); err == nil && n > 0 {
		return min(n, max)
	}
	return max
}

var throttleCodes = []string{
	"Throttling", "ThrottlingException", "ThrottledException", "RequestThrottledException", "TooManyRequestsException",
	"ProvisionedThroughputExceededException", "TransactionInProgressException", "RequestLimitExceeded",
	"BandwidthLimitExceeded", "LimitExceededException", "RequestThrottled", "SlowDown", "PriorRequestNotComplete",
	"EC2ThrottledException",
}

var timeoutCodes = []string{"RequestTimeout", "RequestTimeoutException"}

// Codes that say that the clock of this host is wrong. The second group is also used for other reasons, so it counts only
// when the service's clock is seen to differ.
var (
	skewCodes         = []string{"RequestExpired", "RequestInTheFuture", "RequestTimeTooSkewed"}
	possibleSkewCodes = []string{"InvalidSignatureException", "SignatureDoesNotMatch", "AuthFailure"}
)

const minimumSkew = 4 * time.Minute

// worthRetrying reports whether another attempt of the same request may succeed.
func worthRetrying(err error) bool {
	var api *APIError
	if errors.As(err, &api) {
		switch api.Status {
		case http.StatusInternalServerError, http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
			return true
		}
		return api.clockCorrected || slices.Contains(throttleCodes, api.Code) || slices.Contains(timeoutCodes, api.Code) || slices.Contains(skewCodes, api.Code)
	}
	var transport *transportError
	return errors.As(err, &transport) && !transport.permanent()
}

// transportError is an attempt that got no complete answer.
type transportError struct {
	operation string
	cause     error
}

func (e *transportError) Error() string { return fmt.Sprintf("%s: %v", e.operation, e.cause) }
func (e *transportError) Unwrap() error { return e.cause }

// permanent reports whether the failure has nothing to do with the moment: a name that does not exist, a certificate that
// is not trusted, a request that can never be sent.
func (e *transportError) permanent() bool {
	var dns *net.DNSError
	if errors.As(e.cause, &dns) && dns.IsNotFound {
		return true
	}
	return untrusted(e.cause) || errors.Is(e.cause, errProxySetting)
}

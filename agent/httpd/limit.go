package httpd

import (
	"hash/maphash"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"
)

// maxBuckets bounds the table of a [Limiter]. Over it, an address that asks for ever new paths is limited over all of them;
// over twice as many, so are all new addresses together.
const maxBuckets = 8192

// crowd is the bucket of those for whom there is no room.
const crowd = 0

// Limiter is a token bucket for each pair of remote address and path (ECS_TASK_METADATA_RPS_LIMIT).
type Limiter struct {
	rate, burst float64 // tokens per second, tokens at most
	rateHeader  []string
	seed        maphash.Seed

	mu      sync.Mutex
	buckets map[uint64]bucket // by hash of address and path; a bucket that is full is as good as none
	sweepAt time.Time
}

type bucket struct {
	tokens float64
	at     time.Time
}

// NewLimiter allows rate requests per second, and burst at once.
func NewLimiter(rate float64, burst int) *Limiter {
	return &Limiter{
		rate: rate, burst: float64(burst),
		rateHeader: []string{strconv.FormatFloat(rate, 'f', 2, 64)},
		seed:       maphash.MakeSeed(),
		buckets:    map[uint64]bucket{},
	}
}

var durationHeader = []string{"1"}

// handler limits the requests to next and says so in headers of every answer. denied is told of refused requests first.
func (l *Limiter) handler(next http.Handler, denied func(*http.Request)) http.Handler {
	body := []byte("You have reached maximum request limit.")
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		header := w.Header()
		header["X-Rate-Limit-Limit"] = l.rateHeader
		header["X-Rate-Limit-Duration"] = durationHeader
		values := []string{r.Header.Get("X-Forwarded-For"), r.RemoteAddr}
		header["X-Rate-Limit-Request-Forwarded-For"] = values[0:1:1]
		header["X-Rate-Limit-Request-Remote-Addr"] = values[1:2:2]
		if l.allow(remoteHost(r.RemoteAddr), r.URL.Path, time.Now()) {
			next.ServeHTTP(w, r)
			return
		}
		denied(r)
		header["Content-Type"] = contentTextUTF8
		w.WriteHeader(http.StatusTooManyRequests)
		_, _ = w.Write(body)
	})
}

// Admit reports whether a request may pass, and says so in headers of its answer, beside those of limits it passed before.
func (l *Limiter) Admit(w http.ResponseWriter, r *http.Request) bool {
	header := w.Header()
	header.Add("X-Rate-Limit-Limit", l.rateHeader[0])
	header.Add("X-Rate-Limit-Duration", durationHeader[0])
	header.Add("X-Rate-Limit-Request-Forwarded-For", r.Header.Get("X-Forwarded-For"))
	header.Add("X-Rate-Limit-Request-Remote-Addr", r.RemoteAddr)
	return l.allow(remoteHost(r.RemoteAddr), r.URL.Path, time.Now())
}

// remoteHost cuts the port off an address.
func remoteHost(address string) string {
	if i := strings.LastIndexByte(address, ':'); i >= 0 {
		return address[:i]
	}
	return address
}

func (l *Limiter) allow(host, path string, now time.Time) bool {
	perHost := maphash.String(l.seed, host)
	key := 31*perHost + maphash.String(l.seed, path)

	l.mu.Lock()
	defer l.mu.Unlock()
	b, known := l.buckets[key]
	if !known {
		if now.After(l.sweepAt) {
			l.sweep(now) // not more often: a sweep looks at every bucket
		}
		if len(l.buckets) >= maxBuckets {
			key = perHost
			b, known = l.buckets[key]
		}
		if !known && len(l.buckets) >= 2*maxBuckets {
			key = crowd
			b, known = l.buckets[key]
		}
	}
	if !known {
		b = bucket{tokens: l.burst, at: now}
	}
	b = l.refill(b, now)
	allowed := b.tokens >= 1
	if allowed {
		b.tokens--
	}
	l.buckets[key] = b
	return allowed
}

func (l *Limiter) refill(b bucket, now time.Time) bucket {
	if passed := now.Sub(b.at).Seconds(); passed > 0 {
		b.tokens = min(l.burst, b.tokens+passed*l.rate)
		b.at = now
	}
	return b
}

// sweep removes buckets that have filled up again. The caller holds the lock.
func (l *Limiter) sweep(now time.Time) {
	for key, b := range l.buckets {
		if l.refill(b, now).tokens >= l.burst {
			delete(l.buckets, key)
		}
	}
	l.sweepAt = now.Add(time.Second)
}

package httpd

import (
	"encoding/json"
	"fmt"
	"net/http"
	"runtime/debug"
	"strconv"
	"strings"

	"github.com/aws/amazon-ecs-agent/agent/logger"
)

// Content types. The slices are shared by all answers and never changed.
var (
	contentJSON      = []string{"application/json"}
	contentText      = []string{"text/plain"}
	contentTextUTF8  = []string{"text/plain; charset=utf-8"}
	unencodable      = []byte("{}")
	headerConnection = []string{"close"}
)

// maxLogged bounds what the log shows of an answer: clients must not fill the disk.
const maxLogged = 2 << 10

// Encode is body as compact JSON; the status becomes 500 and the body {} if it cannot be encoded.
func Encode(status int, body any) (int, []byte) {
	text, err := json.Marshal(body)
	if err != nil {
		logger.Error("Cannot encode an answer", logger.Err(err))
		return http.StatusInternalServerError, unencodable
	}
	return status, text
}

// JSON answers with a value. request says in the log what was asked for ("task metadata").
func JSON(w http.ResponseWriter, status int, request string, body any) {
	status, text := Encode(status, body)
	RawJSON(w, status, request, text)
}

// RawJSON answers with a body that is JSON already.
func RawJSON(w http.ResponseWriter, status int, request string, body []byte) {
	w.Header()["Content-Type"] = contentJSON
	write(w, status, request, "JSON", body, contentLength(body))
}

// Kept is a JSON answer that is given again and again: nothing of it is made anew.
type Kept struct {
	Status int
	Text   []byte
	length []string
}

// Keep makes an answer of a value.
func Keep(body any) Kept { return KeepText(Encode(http.StatusOK, body)) }

// KeepText makes an answer of a body that is JSON already.
func KeepText(status int, text []byte) Kept { return Kept{status, text, contentLength(text)} }

// Give answers with it.
func (k Kept) Give(w http.ResponseWriter, request string) {
	w.Header()["Content-Type"] = contentJSON
	write(w, k.Status, request, "JSON", k.Text, k.length)
}

// Text answers with plain text, without a charset.
func Text(w http.ResponseWriter, status int, request string, body []byte) {
	w.Header()["Content-Type"] = contentText
	write(w, status, request, "plaintext", body, contentLength(body))
}

// TextUTF8 answers with plain text in UTF-8.
func TextUTF8(w http.ResponseWriter, status int, request string, body []byte) {
	w.Header()["Content-Type"] = contentTextUTF8
	write(w, status, request, "plaintext", body, contentLength(body))
}

func contentLength(body []byte) []string { return []string{strconv.Itoa(len(body))} }

func write(w http.ResponseWriter, status int, request, form string, body []byte, length []string) {
	if status >= 400 && status < 600 {
		shown := string(body)
		switch {
		case shown == "":
			shown = "<empty>"
		case len(shown) > maxLogged:
			shown = strings.ToValidUTF8(shown[:maxLogged], "") + "…" // it repeats what the client asked for
		}
		logger.Error(fmt.Sprintf("HTTP response status code is '%d', request type is: %s, and response in %s is %s", status, request, form, shown))
	}
	w.Header()["Content-Length"] = length
	w.WriteHeader(status)
	if _, err := w.Write(body); err != nil {
		logger.Debug("Cannot write an answer", logger.F("request", request), logger.Err(err))
	}
}

// recovering answers 500 for a handler that panics: one bad request must not look like a dead agent.
type recovering struct{ next http.Handler }

func (h recovering) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	defer func() {
		cause := recover()
		if cause == nil {
			return
		}
		if cause == http.ErrAbortHandler {
			panic(cause)
		}
		// The path may have a secret in it.
		logger.Critical("Panic while answering a request", logger.F("method", r.Method), logger.F("panic", fmt.Sprint(cause)), logger.F("stack", string(debug.Stack())))
		clear(w.Header())
		w.Header()["Connection"] = headerConnection
		w.WriteHeader(http.StatusInternalServerError)
	}()
	if r.ContentLength != 0 {
		// The server keeps the request with its own body: it knows what to do with what the handler leaves unread.
		r = r.WithContext(r.Context())
		r.Body = http.MaxBytesReader(w, r.Body, maxBodyBytes)
	}
	h.next.ServeHTTP(w, r)
}

package awsclient

import (
	"errors"
	"fmt"
	"strings"
)

// APIError is an error answer of a service.
type APIError struct {
	// Operation is the name of the call, for example "SubmitTaskStateChange".
	Operation string
	// Code is the bare error name, for example "ThrottlingException"; empty when the answer was not readable.
	Code    string
	Message string
	// Status is the HTTP status.
	Status    int
	RequestID string
	// HostID is the second id of Amazon S3's answers.
	HostID string

	// clockCorrected says that the signature was refused because of this host's clock, which has been corrected since.
	clockCorrected bool
}

func (e *APIError) Error() string {
	code := e.Code
	if code == "" {
		code = fmt.Sprintf("HTTP status %d", e.Status)
	}
	if e.Message == "" {
		return e.Operation + ": " + code
	}
	return e.Operation + ": " + code + ": " + e.Message
}

// ErrorCode returns the service's error code in err's chain, or "".
func ErrorCode(err error) string {
	var api *APIError
	if errors.As(err, &api) {
		return api.Code
	}
	return ""
}

// bareCode reduces the forms in which services send an error code to its name:
// "com.amazonaws.ecs#ClientException:http://…" → "ClientException".
func bareCode(s string) string {
	s, _, _ = strings.Cut(s, ":")
	if i := strings.LastIndexByte(s, '#'); i >= 0 {
		s = s[i+1:]
	}
	return strings.TrimSpace(s)
}

// ExhaustedError is the last error of a call that was tried as often as it may be. Its text is that of the error.
type ExhaustedError struct {
	Attempts int
	Err      error
}

func (e *ExhaustedError) Error() string { return e.Err.Error() }
func (e *ExhaustedError) Unwrap() error { return e.Err }

// exhausted marks an error that another attempt might have avoided.
func exhausted(err error, attempts int) error {
	if attempts < 2 {
		return err
	}
	return &ExhaustedError{Attempts: attempts, Err: err}
}

// TransportCause returns why a call got no complete answer; ok is false when it got one, or never got as far as sending.
func TransportCause(err error) (cause error, ok bool) {
	var transport *transportError
	if errors.As(err, &transport) {
		return transport.cause, true
	}
	return nil, false
}

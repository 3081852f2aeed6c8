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

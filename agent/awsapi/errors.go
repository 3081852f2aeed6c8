package awsapi

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/aws/amazon-ecs-agent/agent/awsclient"
)

// clientError says that a call could not even be made.
type clientError struct{ cause error }

func (e *clientError) Error() string { return e.cause.Error() }
func (e *clientError) Unwrap() error { return e.cause }

// NoClient reports whether err kept a call from being made at all: no region, no usable endpoint.
func NoClient(err error) bool {
	var c *clientError
	return errors.As(err, &c)
}

// unknownCode is the code and message of an answer that tells neither.
const unknownCode = "UnknownError"

// callError is a call that failed, in the words of the AWS SDK: they reach users as reasons of stopped tasks, and are
// what they search for.
type callError struct {
	service   service
	operation string
	cause     error
}

func (s service) failed(operation string, err error) error {
	if err == nil {
		return nil
	}
	return &callError{s, operation, err}
}

func (e *callError) Unwrap() error { return e.cause }

func (e *callError) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "operation error %s: %s, ", e.service.name, e.operation)
	var exhausted *awsclient.ExhaustedError
	if errors.As(e.cause, &exhausted) {
		fmt.Fprintf(&b, "exceeded maximum number of attempts, %d, ", exhausted.Attempts)
	}
	var api *awsclient.APIError
	if errors.As(e.cause, &api) {
		e.service.answer(&b, api.Status, api.RequestID, api.HostID)
		if !slices.Contains(e.service.modelled, api.Code) {
			b.WriteString("api error ")
		}
		code, message := api.Code, api.Message
		if code == "" && message == "" {
			message = unknownCode
		}
		if code == "" {
			code = unknownCode
		}
		b.WriteString(code + ": " + message)
		return b.String()
	}
	if cause, ok := awsclient.TransportCause(e.cause); ok {
		e.service.answer(&b, 0, "", "")
		b.WriteString("request send failed, " + cause.Error())
		return b.String()
	}
	b.WriteString(e.cause.Error())
	return b.String()
}

// answer writes what identifies an answer; Amazon S3 has two ids.
func (s service) answer(b *strings.Builder, status int, requestID, hostID string) {
	fmt.Fprintf(b, "https response error StatusCode: %d, RequestID: %s, ", status, requestID)
	if s.signing == s3.signing {
		fmt.Fprintf(b, "HostID: %s, ", hostID)
	}
}

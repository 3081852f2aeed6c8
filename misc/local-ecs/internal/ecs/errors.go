package ecs

import "fmt"

// Error is an answer of the service that is not a success: the type the SDKs turn into an exception, and its text.
type Error struct {
	Type    string
	Message string
}

func (e *Error) Error() string { return e.Type + ": " + e.Message }

// HTTPStatus is 500 for the service's own failures and 400 for everything the caller can change.
func (e *Error) HTTPStatus() int {
	switch e.Type {
	case "ServerException", "InternalFailure":
		return 500
	case "ServiceUnavailable":
		return 503
	}
	return 400
}

// Errorf makes an error of the given type.
func Errorf(kind, format string, args ...any) *Error {
	return &Error{Type: kind, Message: fmt.Sprintf(format, args...)}
}

// Client reports a request the service refuses: ClientException.
func Client(format string, args ...any) *Error { return Errorf("ClientException", format, args...) }

// InvalidParameter reports a parameter with a value the service refuses: InvalidParameterException.
func InvalidParameter(format string, args ...any) *Error {
	return Errorf("InvalidParameterException", format, args...)
}

// Unsupported reports a feature of the real service that local-ecs does not have.
func Unsupported(format string, args ...any) *Error {
	return Errorf("UnsupportedFeatureException", format, args...)
}

// ClusterNotFound is the answer of every operation to an unknown cluster.
func ClusterNotFound() *Error { return Errorf("ClusterNotFoundException", "Cluster not found.") }

// ServiceNotFound is the answer to an unknown service.
func ServiceNotFound() *Error { return Errorf("ServiceNotFoundException", "Service not found.") }

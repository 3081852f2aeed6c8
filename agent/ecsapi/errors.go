package ecsapi

import (
	"errors"
	"slices"
	"strings"

	"github.com/aws/amazon-ecs-agent/agent/awsclient"
)

// Classes of error answers, for errors.Is. An error can be of several classes.
var (
	// ErrTransient: the same call may work later. Registration and tag look-ups repeat the call.
	ErrTransient = errors.New("transient ECS error")
	// ErrInvalidParameter: this request can never work. A state change is dropped, a registration ends for good.
	ErrInvalidParameter = errors.New("invalid parameter")
	// ErrClient: the service refuses for a reason on our side that it does not name more closely.
	ErrClient = errors.New("ECS client error")
	// ErrAccessDenied: the instance credentials lack a permission.
	ErrAccessDenied = errors.New("access denied")
	// ErrClusterNotFound: the cluster does not exist.
	ErrClusterNotFound = errors.New("cluster not found")
	// ErrInstanceTypeChanged: the container instance was registered with another EC2 instance type.
	ErrInstanceTypeChanged = errors.New("container instance type changed")

	// ErrUnbuildable: a request that cannot be expressed on the wire. It was not sent and never will be.
	ErrUnbuildable = errors.New("request cannot be built")
)

const (
	clusterNotFoundText     = "Cluster not found."
	instanceTypeChangedText = "Container instance type changes are not supported."
)

var (
	transientCodes    = []string{"ThrottlingException", "ServerException", "LimitExceededException"}
	accessDeniedCodes = []string{"AccessDeniedException", "AccessDenied", "UnrecognizedClientException"}
)

// Error is an error answer of ECS. Its class is tested with errors.Is, its details are those of the wrapped
// [awsclient.APIError].
type Error struct{ *awsclient.APIError }

// Unwrap gives the wire error.
func (e *Error) Unwrap() error { return e.APIError }

// Is reports whether e belongs to the class target.
func (e *Error) Is(target error) bool {
	switch target {
	case ErrTransient:
		return slices.Contains(transientCodes, e.Code)
	case ErrInvalidParameter:
		return e.Code == "InvalidParameterException"
	case ErrClient:
		return e.Code == "ClientException"
	case ErrAccessDenied:
		return slices.Contains(accessDeniedCodes, e.Code)
	case ErrClusterNotFound:
		return e.Code == "ClusterNotFoundException" || strings.Contains(e.Message, clusterNotFoundText)
	case ErrInstanceTypeChanged:
		return strings.Contains(e.Message, instanceTypeChangedText)
	}
	return false
}

// classify puts an [Error] in front of the wire error in err's chain; other errors stay as they are.
func classify(err error) error {
	var api *awsclient.APIError
	switch {
	case !errors.As(err, &api):
		return err
	case error(api) == err:
		return &Error{api}
	}
	// Something is wrapped around the answer, such as the end of the context during a pause: keep both.
	return &wrapped{err, &Error{api}}
}

// wrapped is an error with a class.
type wrapped struct {
	error
	class *Error
}

func (w *wrapped) Unwrap() []error { return []error{w.error, w.class} }

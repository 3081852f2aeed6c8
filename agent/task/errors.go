package task

import (
	"errors"
	"strings"
	"unicode"
)

// Names of errors that ECS shows to users in the reason of a container or task, as "<name>: <message>".
const (
	ErrDockerTimeout           = "DockerTimeoutError"
	ErrCannotPullImageManifest = "CannotPullImageManifestError"
	ErrCannotPullContainer     = "CannotPullContainerError"
	ErrCannotPullECRContainer  = "CannotPullECRContainerError"
	ErrCannotPullContainerAuth = "CannotPullContainerAuthError"
	ErrTaskStoppedBeforePull   = "TaskStoppedBeforePullBeginError"
	ErrCannotCreateContainer   = "CannotCreateContainerError"
	ErrHostConfig              = "HostConfigError"
	ErrDockerClientConfig      = "DockerClientConfigError"
	ErrResourceInitialization  = "ResourceInitializationError"
	ErrCannotGetDockerVersion  = "CannotGetDockerClientVersionError"
	ErrCannotGetDockerClient   = "CannotGetDockerclientError"
	ErrCannotStartContainer    = "CannotStartContainerError"
	ErrCannotInspectContainer  = "CannotInspectContainerError"
	ErrCannotStopContainer     = "CannotStopContainerError"
	ErrCannotRemoveContainer   = "CannotRemoveContainerError"
	ErrCannotListContainers    = "CannotListContainersError"
	ErrCannotListImages        = "CannotListImagesError"
	ErrCannotCreateVolume      = "CannotCreateVolumeError"
	ErrCannotInspectVolume     = "CannotInspectVolumeError"
	ErrCannotRemoveVolume      = "CannotRemoveVolumeError"
	ErrCannotListPlugins       = "CannotListPluginsError"
	ErrNoSuchContainer         = "NoSuchContainerError"
	ErrOutOfMemory             = "OutOfMemoryError"
	ErrDockerState             = "DockerStateError"
	ErrContainerVanished       = "ContainerVanishedError"
	ErrContainerNetworking     = "ContainerNetworkingError"
	ErrUnparsablePort          = "UnparsablePort"
	ErrTaskState               = "TaskStateError"
	ErrUnrecognizedTask        = "UnrecogniedTaskError" // spelled as ECS users know it
	unknownErrorName           = "UnknownError"
)

// Error is an error with a name that ECS shows to users. The zero Cause is fine: Message alone tells the story.
type Error struct {
	Name    string
	Message string
	Cause   error
}

// NewError names a cause; the message is the cause's text.
func NewError(name string, cause error) *Error {
	return &Error{Name: name, Message: cause.Error(), Cause: cause}
}

// Error is "<name>: <message>", the text ECS shows.
func (e *Error) Error() string {
	if e.Name == "" {
		return unknownErrorName + ": " + e.Message
	}
	return e.Name + ": " + e.Message
}

// Unwrap gives the cause, so that errors.Is and errors.As see through the name.
func (e *Error) Unwrap() error { return e.Cause }

// PrepareError is why a task cannot be made ready to run. Its text is the reason that users see, as it is.
type PrepareError struct {
	TaskARN string
	Cause   error
}

func (e *PrepareError) Error() string {
	return "resource cannot be initialized for task " + e.TaskARN + ": " + e.Cause.Error()
}

// Unwrap gives the cause.
func (e *PrepareError) Unwrap() error { return e.Cause }

// ErrorName returns the name of the first named error in err's chain, "" for none.
func ErrorName(err error) string {
	var named *Error
	if errors.As(err, &named) {
		return named.Name
	}
	return ""
}

// ErrorText returns the text of err without its name, "" for nil.
func ErrorText(err error) string {
	var named *Error
	switch {
	case errors.As(err, &named):
		return named.Message
	case err != nil:
		return err.Error()
	}
	return ""
}

// AppliedError is how the first error of a container is kept in agent.db; it becomes the reason of its reports.
type AppliedError struct {
	Message string `json:"error"`
	Name    string `json:"name"`
}

// Reason is the text reported to ECS.
func (e *AppliedError) Reason() string {
	if e == nil {
		return ""
	}
	return (&Error{Name: e.Name, Message: e.Message}).Error()
}

// SentenceCase is the form of the reason of a task that stops for want of a resource: runs of white space are one space, and in the first word every
// letter is upper-cased that does not follow a letter, a digit or "_".
func SentenceCase(text string) string {
	words := strings.Fields(text)
	if len(words) == 0 {
		return ""
	}
	inside := false
	words[0] = strings.Map(func(r rune) rune {
		if !inside {
			r = unicode.ToTitle(r)
		}
		inside = unicode.IsLetter(r) || unicode.IsDigit(r) || r == '_'
		return r
	}, words[0])
	return strings.Join(words, " ")
}

// ErrGone is wrapped by errors that say the container does not exist in the runtime (any more).
var ErrGone = errors.New("no such container")

package registration

import "errors"

// Exit codes of the agent process that a failure of this package can ask for.
const (
	// CodeError: perhaps transient; the supervisor restarts the agent.
	CodeError = 1
	// CodeTerminal: the supervisor must not restart the agent; a person has to act.
	CodeTerminal = 5
)

// ExitError is a failure that ends the process, with the exit code it ends with.
type ExitError struct {
	Code int
	Err  error
}

func (e *ExitError) Error() string { return e.Err.Error() }
func (e *ExitError) Unwrap() error { return e.Err }

// ExitCode returns the exit code in err's chain, and CodeError for other errors.
func ExitCode(err error) int {
	var exit *ExitError
	if errors.As(err, &exit) {
		return exit.Code
	}
	return CodeError
}

func terminal(err error) error { return &ExitError{CodeTerminal, err} }

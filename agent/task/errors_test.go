package task

import (
	"errors"
	"fmt"
	"testing"
)

func TestErrorNameAndText(t *testing.T) {
	gone := NewError(ErrNoSuchContainer, ErrGone)
	for _, c := range []struct {
		err        error
		name, text string
	}{
		{nil, "", ""},
		{errors.New("plain"), "", "plain"},
		{gone, "NoSuchContainerError", "no such container"},
		{fmt.Errorf("while looking: %w", gone), "NoSuchContainerError", "no such container"},
		{&Error{Message: "m"}, "", "m"},
	} {
		if name, text := ErrorName(c.err), ErrorText(c.err); name != c.name || text != c.text {
			t.Errorf("%v: %q, %q", c.err, name, text)
		}
	}
	if !errors.Is(gone, ErrGone) {
		t.Error("the name hides the cause")
	}
}

func TestReasons(t *testing.T) {
	for want, applied := range map[string]*AppliedError{
		"":                               nil,
		"OutOfMemoryError: Container...": {Name: ErrOutOfMemory, Message: "Container..."},
		"UnknownError: m":                {Message: "m"},
	} {
		if got := applied.Reason(); got != want {
			t.Errorf("%+v: %q", applied, got)
		}
	}
	for text, want := range map[string]string{"": "", "essential  container\n in task exited": "Essential container in task exited", "élan": "Élan"} {
		if got := SentenceCase(text); got != want {
			t.Errorf("%q: %q", text, got)
		}
	}
}

package config

import (
	"fmt"
	"strings"
)

// multiError reports everything that was wrong at once. It keeps this form for a single error too.
type multiError []error

func (m multiError) Error() string {
	var b strings.Builder
	b.WriteString("Multiple error:")
	for i, err := range m {
		fmt.Fprintf(&b, "\n\t%d: %v", i, err)
	}
	return b.String()
}

func (m multiError) Unwrap() []error { return m }

// asError returns m as an error, nil when it is empty.
func (m multiError) asError() error {
	if len(m) == 0 {
		return nil
	}
	return m
}

// fatalText is an error whose text is part of the contract.
type fatalText string

func (t fatalText) Error() string { return string(t) }

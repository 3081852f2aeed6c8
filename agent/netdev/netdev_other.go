//go:build !linux

package netdev

import (
	"context"
	"errors"
)

var errPlatform = errors.New("network devices can be followed on Linux only")

// Links works on Linux only.
func Links() ([]Link, error) { return nil, errPlatform }

// Watch works on Linux only.
type Watch struct{}

// NewWatch works on Linux only.
func NewWatch() (*Watch, error) { return nil, errPlatform }

// Run works on Linux only.
func (*Watch) Run(context.Context, func()) error { return errPlatform }

//go:build !linux

package lab

import (
	"errors"
	"net"
)

var errPlatform = errors.New("a lab needs Linux")

func (l Lab) make() error                              { return errPlatform }
func (l Lab) remove() error                            { return errPlatform }
func (l Lab) Plug(string, net.HardwareAddr) error      { return errPlatform }
func (l Lab) PlugTrunk(string, net.HardwareAddr) error { return errPlatform }
func (l Lab) PlugBranch(string, string, int) error     { return errPlatform }
func (l Lab) Unplug(string) error                      { return errPlatform }
func (l Lab) Plugged() ([]string, error)               { return nil, errPlatform }

package netdev

import (
	"strings"

	"github.com/aws/amazon-ecs-agent/agent/logger"
)

// appeared reports whether a message on the kernel's uevent socket says that a network device of the machine has appeared.
// The message is "action@devpath", then KEY=VALUE texts, all ended by a zero byte. Messages of other senders than the
// kernel (port 0) are copies, or lies.
func appeared(message string, sender uint32) bool {
	if sender != 0 {
		return false
	}
	var action, subsystem, path string
	_, rest, _ := strings.Cut(message, "\x00")
	for text := range strings.SplitSeq(rest, "\x00") {
		switch key, value, _ := strings.Cut(text, "="); key {
		case "ACTION":
			action = value
		case "SUBSYSTEM":
			subsystem = value
		case "DEVPATH":
			path = value
		}
	}
	return action == "add" && subsystem == "net" && ofMachine(path)
}

// ofMachine tells devices of the machine, by their path in sysfs, from those that are only software.
func ofMachine(path string) bool {
	_, device, found := strings.Cut(path, "devices/")
	switch {
	case !found:
		logger.Warn("A network device has a path this agent does not know", logger.F("path", path))
	case strings.HasPrefix(device, "pci"), strings.HasPrefix(device, "vif"):
		return true
	case !strings.HasPrefix(device, "virtual"):
		logger.Critical("Failed to validate device path: " + path)
	}
	return false
}

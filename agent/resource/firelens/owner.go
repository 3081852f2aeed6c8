package firelens

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"

	"github.com/aws/amazon-ecs-agent/agent/task"
)

// own gives the socket directory to the user that the router runs as, if the task definition names one.
func own(dir string, router *task.Container) error {
	uid, gid, named, err := ownerOf(userOf(router))
	if err != nil || !named {
		return err
	}
	if err := os.Chown(dir, uid, gid); err != nil {
		return fmt.Errorf("unable to set directory ownership: %w", err)
	}
	return nil
}

// userOf is the user in the container's raw config.
func userOf(c *task.Container) string {
	var raw struct{ User string }
	if c.DockerConfig.Config != nil {
		_ = json.Unmarshal([]byte(*c.DockerConfig.Config), &raw) // what is wrong with it is told when the container is created
	}
	return raw.User
}

// ownerOf reads "uid", "uid:gid" or "uid:group name". A group that is missing or a name is the agent's own.
func ownerOf(user string) (uid, gid int, named bool, err error) {
	if user == "" {
		return 0, 0, false, nil
	}
	id, group, hasGroup := strings.Cut(user, ":")
	switch {
	case id == "" || strings.Contains(group, ":"):
		err = errors.New("invalid format: expected 'user' or 'user:group'")
	case hasGroup && group == "":
		err = errors.New("invalid format: group part cannot be empty when using 'user:group' format")
	}
	if err != nil {
		return 0, 0, false, fmt.Errorf("unable to parse Firelens user: %w", err)
	}
	if uid, err = strconv.Atoi(id); err != nil {
		return 0, 0, false, fmt.Errorf("unable to determine the user ID: %w", err)
	}
	if gid, err = strconv.Atoi(group); err != nil {
		gid = os.Getgid()
	}
	return uid, gid, true, nil
}

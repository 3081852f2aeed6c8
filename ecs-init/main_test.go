package main

import (
	"bytes"
	"testing"

	"github.com/aws/amazon-ecs-agent/ecs-init/action"
	"github.com/aws/amazon-ecs-agent/ecs-init/release"
)

const usageText = `Usage: amazon-ecs-init ACTION

 Available actions:
  pre-start        Prepare the ECS Agent for starting
  start            Start the ECS Agent and wait for it to stop
  stop             Stop the ECS Agent
  pre-stop         Stop the ECS Agent
  post-stop        Cleanup procedure for the ECS Agent
  reload-cache     Reload the cached image of the ECS Agent into Docker

`

func TestCommandLine(t *testing.T) {
	release.Version, release.Revision = "1.2.3", "abcd1234"
	defer func() { release.Version, release.Revision, release.Dirty = "", "", "" }()
	untouched := func() action.Host {
		t.Error("the host was touched")
		return action.Host{}
	}
	cases := []struct {
		name, dirty string
		args        []string
		code        int
		stdout      string
		stderr      string
	}{
		{"no action", "", nil, 1, usageText, ""},
		{"an unknown one", "", []string{"recover"}, 1, usageText, ""},
		{"an empty one", "", []string{""}, 1, usageText, ""},
		{"the version", "false", []string{"version"}, 0, "ecs-init version 1.2.3 (abcd1234)\n", ""},
		{"of a build with changes", "true", []string{"version", "and", "more"}, 0, "ecs-init version 1.2.3 (*abcd1234)\n", ""},
		{"help", "", []string{"-h"}, 0, "", usageText},
		{"an unknown flag", "", []string{"-x", "start"}, 2, "", "flag provided but not defined: -x\n" + usageText},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			release.Dirty = c.dirty
			var stdout, stderr bytes.Buffer
			code := run(append([]string{"amazon-ecs-init"}, c.args...), &stdout, &stderr, untouched)
			if code != c.code || stdout.String() != c.stdout || stderr.String() != c.stderr {
				t.Errorf("code %d, output %q, standard error %q", code, stdout.String(), stderr.String())
			}
		})
	}
}

func TestABuildWithoutStamps(t *testing.T) {
	if text, ok := release.Text(); ok {
		t.Errorf("version %q", text)
	}
	var stdout bytes.Buffer
	if code := run([]string{"amazon-ecs-init", "version"}, &stdout, &stdout, nil); code != 0 || stdout.Len() > 0 {
		t.Errorf("code %d, output %q", code, stdout.String())
	}
}

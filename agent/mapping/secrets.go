package mapping

import (
	"github.com/aws/amazon-ecs-agent/agent/task"
)

// secretValues puts secrets where they are wanted: into variables, over those of the same name, and into options of the
// log driver. Those of a container that sends its logs to the log router are the router's.
func secretValues(b *build) error {
	for _, s := range b.c.Secrets {
		asVariable := s.Type == task.SecretVariable
		asOption := s.ForLogDriver() && b.HostConfig.LogConfig.Type != "" && !b.c.SendsToLogRouter()
		if !asVariable && !asOption {
			continue
		}
		value, err := b.facts.Secret(b.task, s)
		if err != nil {
			return err
		}
		b.Secrets = append(b.Secrets, value)
		if asVariable {
			b.env[s.Name] = value
		}
		if asOption && value != "" {
			b.setLogOption(s.Name, value)
		}
	}
	return nil
}

// fileVariables adds the variables of environment files that nothing else has set; of several files the first one counts.
func fileVariables(b *build) error {
	if len(b.c.EnvironmentFiles) == 0 {
		return nil
	}
	sets, err := b.facts.EnvironmentFiles(b.task, b.c)
	if err != nil {
		return &task.PrepareError{TaskARN: b.task.ARN, Cause: err}
	}
	for _, set := range sets {
		for name, value := range set {
			if _, taken := b.env[name]; !taken {
				b.env[name] = value
			}
		}
	}
	return nil
}

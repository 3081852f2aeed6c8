package registration

import (
	"context"
	"fmt"

	"github.com/aws/amazon-ecs-agent/agent/imds"
	"github.com/aws/amazon-ecs-agent/agent/logger"
)

// VPC says where in the network the instance is. The zero value means that it is not known.
type VPC struct {
	// MAC is the address of the primary network interface.
	MAC          string
	ID, SubnetID string
}

// LookUpVPC asks the metadata service for the place of the instance. With required (task networking) a failure ends the
// agent: the error is an [*ExitError]. Otherwise the value only informs task metadata: a failure is logged and whatever is
// known returned.
func LookUpVPC(ctx context.Context, md Metadata, required bool) (VPC, error) {
	giveUp := notThere
	if required {
		giveUp = nil
	}
	var v VPC
	steps := []struct {
		what string
		path func() string
		into *string
		code int
	}{
		{"mac address of instance's primary ENI", func() string { return pathMAC }, &v.MAC, CodeError},
		{"vpc id", func() string { return pathInterfaces + v.MAC + "/vpc-id" }, &v.ID, CodeTerminal},
		{"subnet id", func() string { return pathInterfaces + v.MAC + "/subnet-id" }, &v.SubnetID, CodeError},
	}
	for _, s := range steps {
		value, err := ask(ctx, md, s.path(), giveUp)
		if ctx.Err() != nil {
			return v, context.Cause(ctx)
		}
		if err != nil {
			err = fmt.Errorf("unable to get %s from instance metadata: %w", s.what, err)
			if required && imds.NeverAnswers(err) {
				// Every start would fail in the same way: the supervisor must not go on starting the agent.
				return v, &ExitError{CodeTerminal, fmt.Errorf("%w; tasks cannot have network interfaces of their own without instance metadata: set ECS_ENABLE_TASK_ENI=false, or let the agent use instance metadata", err)}
			}
			if required {
				return v, &ExitError{s.code, err}
			}
			logger.Warn("The VPC of the instance is not known", logger.Err(err))
			return v, nil
		}
		*s.into = value
	}
	return v, nil
}

package network

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	types100 "github.com/containernetworking/cni/pkg/types/100"

	"github.com/aws/amazon-ecs-agent/agent/backoff"
	"github.com/aws/amazon-ecs-agent/agent/logger"
	"github.com/aws/amazon-ecs-agent/agent/task"
)

// Limits of the work on one task, each for all plug-ins together.
const (
	setUpLimit    = time.Minute
	tearDownLimit = 30 * time.Second
	releaseLimit  = 5 * time.Second
)

// retryPause is the pause before a set-up that failed is tried again.
const retryPause = time.Second

// Network connects tasks.
type Network struct {
	Plugins Plugins
	Options Options
	// ProcRoot is where the host's processes are to be seen.
	ProcRoot string
}

// ProcRoot finds where the host's processes are: in the agent's container, or where the agent runs without one.
func ProcRoot() string {
	const mounted = "/host/proc"
	if _, err := os.Stat(mounted + "/self"); err == nil {
		return mounted
	}
	return "/proc"
}

func (n *Network) namespaceOf(pause *task.ContainerState) namespace {
	return namespace{pause.RuntimeID, n.ProcRoot + "/" + strconv.Itoa(pause.PID) + "/ns/net"}
}

// Connect sets up the network that the pause container holds; state says where that is. What is left of a call that failed,
// or whose agent was killed, is undone when it is in the way, and the set-up tried once more.
func (n *Network) Connect(ctx context.Context, t *task.Task, pause *task.Container, state *task.ContainerState) (task.Connection, error) {
	own := t.NetworkMode == task.NetworkAWSVPC
	if mode := state.NetworkMode; own && mode != "none" && !strings.HasPrefix(mode, "container:") {
		return task.Connection{}, buildError(t, pause, errors.New("engine: failed to build cni configuration from the task due to invalid container network namespace"))
	}
	list, err := setUp(t, pause, n.Options)
	if err != nil {
		return task.Connection{}, buildError(t, pause, err)
	}
	ctx, cancel := context.WithTimeout(ctx, setUpLimit)
	defer cancel()
	ns := n.namespaceOf(state)
	bridge, err := n.Plugins.addAll(ctx, ns, list)
	var missing *missingError
	if err != nil && !errors.As(err, &missing) && backoff.Sleep(ctx, retryPause) == nil {
		logger.Warn("Setting up the network of a task failed; trying once more", logger.F("taskARN", t.ARN), logger.Err(err))
		n.undo(ctx, t, pause, ns)
		bridge, err = n.Plugins.addAll(ctx, ns, list)
	}
	switch {
	case err != nil:
		return task.Connection{}, networkingError("container resource provisioning: ", fmt.Errorf("failed to setup network namespace: add network failed: %w", err))
	case !own:
		return task.Connection{}, nil
	case bridge == nil || len(bridge.IPs) == 0:
		return task.Connection{}, networkingError("container resource provisioning: ", errors.New("empty result from network namespace setup"))
	}
	return task.Connection{LocalIPAddress: bridge.IPs[0].Address.IP.String(), Namespace: ns.path, Interface: list[0].ifname}, nil
}

func networkingError(prefix string, err error) error {
	return &task.Error{Name: task.ErrContainerNetworking, Message: prefix + err.Error(), Cause: err}
}

const bridgeModePrefix = "container resource provisioning bridge mode: "

func buildError(t *task.Task, pause *task.Container, err error) error {
	switch {
	case t.NetworkMode == task.NetworkAWSVPC:
		return networkingError("container resource provisioning: unable to build cni configuration, ", err)
	case errors.Is(err, errNoServiceConnect):
		return networkingError(bridgeModePrefix, err)
	}
	return networkingError(bridgeModePrefix+"unable to build cni configuration for container "+pause.Name+": ", err)
}

// InspectError is what a failure to look at the pause container means for its task.
func InspectError(t *task.Task, pause *task.Container, err error) error {
	if t.NetworkMode == task.NetworkAWSVPC {
		return networkingError("container resource provisioning: cannot setup task network namespace due to error inspecting pause container: ", err)
	}
	return networkingError(bridgeModePrefix+"cannot setup netns - error inspecting container "+pause.Name+": ", err)
}

// addAll runs the plug-ins in order, until one fails, and gives what the bridge's said.
func (p Plugins) addAll(ctx context.Context, ns namespace, list []plugin) (bridge *types100.Result, err error) {
	for _, one := range list {
		result, err := p.add(ctx, ns, one)
		if err != nil {
			return nil, err
		}
		if one.name == pluginBridge {
			bridge = result
		}
	}
	return bridge, nil
}

// undo removes what an unfinished set-up left. What was not there fails, which does not matter.
func (n *Network) undo(ctx context.Context, t *task.Task, pause *task.Container, ns namespace) {
	list, err := tearDown(t, pause, n.Options)
	if err != nil {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, tearDownLimit)
	defer cancel()
	for i := len(list) - 1; i >= 0; i-- {
		if err := n.Plugins.del(ctx, ns, list[i]); err != nil {
			logger.Debug("Nothing to undo", logger.F("taskARN", t.ARN), logger.F("plugin", list[i].name), logger.Err(err))
		}
	}
	if t.NetworkMode != task.NetworkAWSVPC {
		return
	}
	if err := n.Plugins.del(ctx, ns, release(t)); err != nil {
		logger.Debug("Nothing to undo", logger.F("taskARN", t.ARN), logger.F("plugin", pluginIPAM), logger.Err(err))
	}
}

// Disconnect undoes what Connect did, the last step first. It goes on after an error and gives the last one.
func (n *Network) Disconnect(ctx context.Context, t *task.Task, pause *task.Container, state *task.ContainerState) error {
	list, err := tearDown(t, pause, n.Options)
	if err != nil {
		return fmt.Errorf("engine: failed cleanup task network namespace, task: %s: %w", t.ARN, err)
	}
	ctx, cancel := context.WithTimeout(ctx, tearDownLimit)
	defer cancel()
	ns := n.namespaceOf(state)
	for i := len(list) - 1; i >= 0; i-- {
		if delErr := n.Plugins.del(ctx, ns, list[i]); delErr != nil {
			logger.Error("Delete network failed: "+delErr.Error(), logger.F("taskARN", t.ARN), logger.F("plugin", list[i].name))
			err = fmt.Errorf("delete network failed: %w", delErr)
		}
	}
	return err
}

// Release gives the task's address on the local bridge back. An address that was given back already is no error.
func (n *Network) Release(ctx context.Context, t *task.Task) error {
	ctx, cancel := context.WithTimeout(ctx, releaseLimit)
	defer cancel()
	err := n.Plugins.del(ctx, namespace{path: n.ProcRoot + "//ns/net"}, release(t))
	if err != nil && strings.Contains(err.Error(), "no ip address associated with the given id") {
		logger.Debug("The local address of the task was released before", logger.F("taskARN", t.ARN))
		return nil
	}
	return err
}

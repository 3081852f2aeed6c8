package app

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"

	"github.com/aws/amazon-ecs-agent/agent/awsapi"
	"github.com/aws/amazon-ecs-agent/agent/awsclient"
	"github.com/aws/amazon-ecs-agent/agent/config"
	"github.com/aws/amazon-ecs-agent/agent/container"
	"github.com/aws/amazon-ecs-agent/agent/credentials"
	"github.com/aws/amazon-ecs-agent/agent/docker"
	"github.com/aws/amazon-ecs-agent/agent/ecsapi"
	"github.com/aws/amazon-ecs-agent/agent/eni"
	"github.com/aws/amazon-ecs-agent/agent/httpd/fault"
	"github.com/aws/amazon-ecs-agent/agent/imds"
	"github.com/aws/amazon-ecs-agent/agent/logger"
	"github.com/aws/amazon-ecs-agent/agent/metadatafile"
	"github.com/aws/amazon-ecs-agent/agent/metrics"
	"github.com/aws/amazon-ecs-agent/agent/netdev"
	"github.com/aws/amazon-ecs-agent/agent/registration"
	"github.com/aws/amazon-ecs-agent/agent/resource/cgroup"
	"github.com/aws/amazon-ecs-agent/agent/store"
	"github.com/aws/amazon-ecs-agent/agent/version"
)

// agent is what the parts of the process have in common.
type agent struct {
	flags    config.Flags
	end      context.CancelCauseFunc
	cfg      *config.Config
	metadata *imds.Client
	docker   *docker.Client
	store    *store.Store
	http     *http.Client
	instance *awsclient.Cache // instance credentials
	roles    credentials.Store
	ecs      *ecsapi.Client
	aws      *awsapi.Calls // the services that tasks need
	runner   *container.Runner
	files    *metadatafile.Files
	gpu      *registration.GPU // nil without GPU support
	cgroups  *cgroup.Tree
	metrics  *metrics.Metrics // nil unless somebody wants to know
	// pauseImage says that Docker has the image of pause containers.
	pauseImage bool
	// vpc and devices are set with task networking only.
	vpc     registration.VPC
	devices *netdev.Watch
	enis    *eni.Tracker
}

// construct reads the configuration and connects to what every mode of the program needs.
func (a *agent) construct(ctx context.Context) (err error) {
	if a.cfg, err = config.Load(ctx, config.Host(a.metadata)); err != nil {
		return fmt.Errorf("Error loading config: %w", err) //lint:ignore ST1005 the text operators know
	}
	if a.cfg.External {
		a.metadata = imds.Blackholed()
	}
	if a.docker, err = docker.Connect(ctx, a.cfg.DockerEndpoint); err != nil {
		return err
	}
	a.docker.SetInspectLimit(a.cfg.ContainerInspectTimeout)
	if err = a.openStore(); err != nil {
		return err
	}
	a.http = awsclient.NewHTTPClient(a.flags.InsecureSkipVerify)
	a.instance = awsclient.NewInstanceCredentials(awsclient.ChainOptions{
		External: a.cfg.External, Region: a.cfg.AWSRegion, RotatingProfile: a.cfg.AlternateCredentialProfile,
		Metadata: a.metadata, HTTP: a.http,
	})
	a.aws = a.newCalls()
	a.ecs, err = ecsapi.New(ecsapi.Options{
		ClientOptions:       a.clientOptions(),
		BackendHost:         a.cfg.APIEndpoint,
		ExcludeIPv6Bindings: a.cfg.ShouldExcludeIPv6PortBinding,
		ExcludeIPv4Bindings: a.cfg.InstanceIPCompatibility.IPv6Only(),
	})
	a.enis = eni.New(a.store, a.ecs)
	return err
}

func (a *agent) openStore() (err error) {
	if !a.cfg.Checkpoint {
		logger.Info("Checkpointing not enabled; a new container instance will be created each time the agent is run")
		a.store = store.Off()
		return nil
	}
	if err = a.cfg.CheckDataDir(os.Stat); err == nil {
		a.store, err = store.Open(a.cfg.DataDir)
	}
	if err != nil {
		return fmt.Errorf("ECS_DATADIR: cannot keep state in %s: %w", a.cfg.DataDir, err)
	}
	return nil
}

func (a *agent) clientOptions() awsclient.ClientOptions {
	return awsclient.ClientOptions{
		Region: a.cfg.AWSRegion, DualStack: a.cfg.InstanceIPCompatibility.IPv6Only(), Credentials: a.instance, HTTP: a.http,
		UserAgent: awsclient.UserAgent(version.Version, version.GitShortHash, version.GitDirty, a.cfg.DetailedOSFamily),
	}
}

// close lets go of what construct opened.
func (a *agent) close() {
	if a.store != nil {
		if err := a.store.Close(); err != nil {
			logger.Error("Error closing the data file", logger.Err(err))
		}
	}
	if a.docker != nil {
		a.docker.Close()
	}
}

// printAttributes writes the capabilities this host would register, a line each: name, tab, value.
func (a *agent) printAttributes(ctx context.Context, out io.Writer) error {
	a.pauseImage = a.hasPauseImage(ctx)
	attributes, err := registration.Capabilities(a.facts(ctx))
	if err != nil {
		return err
	}
	for _, attribute := range attributes {
		if _, err := fmt.Fprintf(out, "%s\t%s\n", attribute.Name, attribute.Text()); err != nil {
			return err
		}
	}
	return nil
}

// facts are what the capabilities depend on.
func (a *agent) facts(ctx context.Context) registration.Facts {
	facts := registration.Facts{Config: a.cfg, DockerAPIVersions: a.docker.CapabilityVersions(), PauseImageLoaded: a.pauseImage, GPU: a.gpu, VPC: a.vpc}
	versions := a.pluginVersions(ctx)
	facts.VPCENIVersion, facts.BranchENIVersion = versions.ENI, versions.BranchENI
	facts.LegacyPlugins, facts.ManagedPlugins = registration.VolumePlugins(ctx, os.DirFS("/"), a.docker)
	facts.FaultInjectionUsable = a.faultsUsable(ctx)
	return facts
}

// faultsUsable asks whether network faults can be injected on this host.
func (a *agent) faultsUsable(ctx context.Context) bool {
	if a.cfg.External {
		return false
	}
	if err := fault.Usable(ctx, a.cfg.InstanceIPCompatibility.IPv6Only()); err != nil {
		logger.Warn("Network faults cannot be injected into tasks on this host", logger.Err(err))
		return false
	}
	return true
}

// terminal gives an error the exit code that keeps the supervisor from starting the agent again.
func terminal(err error) error {
	if errors.Is(err, context.Canceled) {
		return err
	}
	return &registration.ExitError{Code: exitTerminal, Err: err}
}

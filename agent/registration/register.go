package registration

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/aws/amazon-ecs-agent/agent/backoff"
	"github.com/aws/amazon-ecs-agent/agent/ecsapi"
	"github.com/aws/amazon-ecs-agent/agent/logger"
	"github.com/google/uuid"
)

// DefaultCluster is registered into, and created when it does not exist, while no cluster is configured.
const DefaultCluster = "default"

// ECS is the part of the ECS API that registration needs.
type ECS interface {
	RegisterContainerInstance(context.Context, ecsapi.RegisterRequest) (ecsapi.ContainerInstance, error)
	CreateCluster(ctx context.Context, name string) (string, error)
}

// Registrar registers the host with ECS.
type Registrar struct {
	ECS         ECS
	Metadata    Metadata
	Credentials Credentials
	EC2         TagReader
}

// Request is one registration.
type Request struct {
	// Facts, with the configuration, decide about the attributes.
	Facts     Facts
	Resources Resources
	// Cluster is the configured or restored cluster; empty means DefaultCluster, created on demand.
	Cluster string
	// ContainerInstanceARN is the saved ARN; empty on a first registration.
	ContainerInstanceARN string
}

// Result of a registration.
type Result struct {
	ContainerInstanceARN string
	// Cluster is the one registered into, as it is to be used from now on and saved.
	Cluster string
	// AvailabilityZone is empty outside EC2.
	AvailabilityZone string
}

const registerBudget = time.Hour

var registerRetry = backoff.Policy{First: 3 * time.Second, Longest: 192 * time.Second, Factor: 2, Jitter: 0.2}

// Register registers the host and retries for up to an hour while the service asks for patience. Errors are [*ExitError]s.
// When ctx ends, the error wraps its cause: the caller is shutting down and the exit code does not apply.
func (r *Registrar) Register(ctx context.Context, q Request) (Result, error) {
	if q.ContainerInstanceARN != "" {
		logger.Info("Restored from checkpoint file", logger.F("containerInstanceARN", q.ContainerInstanceARN), logger.F("cluster", q.Cluster))
	}
	result, err := r.register(ctx, q)
	if err != nil {
		return Result{}, exitOf(err, q)
	}
	logger.Info("Registered container instance with cluster!", logger.F("cluster", result.Cluster))
	if q.ContainerInstanceARN == "" {
		logger.Info("Instance registration completed successfully", logger.F("instanceArn", result.ContainerInstanceARN), logger.F("cluster", result.Cluster))
	}
	return result, nil
}

func (r *Registrar) register(ctx context.Context, q Request) (Result, error) {
	body, err := r.body(ctx, q)
	if err != nil {
		return Result{}, err
	}
	if q.Cluster != "" {
		return r.registerInto(ctx, q, body, q.Cluster)
	}
	result, err := r.registerInto(ctx, q, body, DefaultCluster)
	if errors.Is(err, ecsapi.ErrClusterNotFound) {
		logger.Info("The default cluster does not exist; creating it", logger.F("cluster", DefaultCluster))
		name, createErr := r.ECS.CreateCluster(ctx, DefaultCluster)
		if createErr != nil {
			return Result{}, createErr
		}
		result, err = r.registerInto(ctx, q, body, name)
	}
	result.Cluster = DefaultCluster
	return result, err
}

// body prepares everything but the cluster and the identity, which belong to a single attempt.
func (r *Registrar) body(ctx context.Context, q Request) (ecsapi.RegisterRequest, error) {
	if _, err := r.Credentials.Retrieve(ctx); err != nil {
		logger.Error("Error getting valid credentials", logger.Err(err))
	}
	attributes, err := Capabilities(q.Facts)
	if err != nil {
		return ecsapi.RegisterRequest{}, err
	}
	cfg := q.Facts.Config
	tags, err := instanceTags(ctx, cfg, r.Metadata, r.EC2)
	if err != nil {
		return ecsapi.RegisterRequest{}, err
	}
	outpost, err := r.Metadata.Get(ctx, pathOutpost)
	if err != nil {
		outpost = "" // nearly every instance: it is not on an Outpost
	}
	attributes = append(attributes, additionalAttributes(&q.Facts, strings.TrimSpace(outpost))...)
	if q.ContainerInstanceARN == "" {
		// Custom attributes belong to the operator from the first registration on, who may have changed them since.
		var custom []ecsapi.Attribute
		for _, name := range slices.Sorted(maps.Keys(cfg.InstanceAttributes)) {
			custom = append(custom, ecsapi.NamedValue(name, cfg.InstanceAttributes[name]))
		}
		attributes = append(custom, attributes...)
	}
	return ecsapi.RegisterRequest{
		ContainerInstanceARN: q.ContainerInstanceARN,
		Attributes:           attributes,
		Tags:                 tags,
		PlatformDevices:      platformDevices(&q.Facts),
		Resources:            q.Resources.registered(),
		// The same for every attempt of this start, so that the service sees one registration; never kept longer, or a copied
		// disk would tie new instances to an old registration.
		ClientToken: uuid.NewString(),
	}, nil
}

func platformDevices(f *Facts) []ecsapi.PlatformDevice {
	if !f.Config.GPUSupportEnabled || f.GPU == nil {
		return nil
	}
	var devices []ecsapi.PlatformDevice
	for _, id := range f.GPU.IDs {
		devices = append(devices, ecsapi.PlatformDevice{ID: id, Type: "GPU"})
	}
	return devices
}

// registerInto repeats the call while its error is transient.
func (r *Registrar) registerInto(ctx context.Context, q Request, body ecsapi.RegisterRequest, cluster string) (Result, error) {
	body.Cluster = cluster
	limit, cancel := context.WithTimeout(ctx, registerBudget)
	defer cancel()
	wait := registerRetry.Start()
	for {
		if !q.Facts.Config.NoIID {
			body.IdentityDocument, body.IdentitySignature = instanceIdentity(limit, r.Metadata, r.Credentials)
		}
		instance, err := r.ECS.RegisterContainerInstance(limit, body)
		if err == nil {
			return checked(instance, body, cluster)
		}
		if !errors.Is(err, ecsapi.ErrTransient) {
			return Result{}, err
		}
		pause := wait.Next()
		logger.Warn("Registration failed; trying again", logger.F("cluster", cluster), logger.F("wait", pause.Round(time.Second)), logger.Err(err))
		if !sleepWithin(limit, pause) {
			return Result{}, withCause(ctx, err)
		}
	}
}

// checked compares the answer with what was sent: the service drops attributes it does not like without an error.
func checked(instance ecsapi.ContainerInstance, sent ecsapi.RegisterRequest, cluster string) (Result, error) {
	got := make(map[string]string, len(instance.Attributes))
	for _, a := range instance.Attributes {
		got[a.Name] = a.Text()
	}
	var missing []string
	for _, a := range sent.Attributes {
		if value, found := got[a.Name]; !found || value != a.Text() {
			missing = append(missing, a.Name)
		}
	}
	if len(missing) > 0 {
		logger.Error("The registration lacks attributes", logger.F("attributes", strings.Join(missing, ", ")))
		return Result{}, &AttributeError{missing}
	}
	if instance.ARN == "" {
		return Result{}, errors.New("RegisterContainerInstance: the answer has no container instance ARN")
	}
	return Result{ContainerInstanceARN: instance.ARN, Cluster: cluster, AvailabilityZone: got["ecs.availability-zone"]}, nil
}

// AttributeError says that the service did not take over attributes.
type AttributeError struct {
	// Names of the attributes that are missing in the answer or have another value there.
	Names []string
}

func (*AttributeError) Error() string { return "Attribute validation failed" }

const attributeHelp = " Please make sure custom attributes are valid as per public AWS documentation: https://docs.aws.amazon.com/AmazonECS/latest/developerguide/task-placement-constraints.html#attributes"

// exitOf gives a failed registration its exit code and tells what a person can do about a terminal one.
func exitOf(err error, q Request) error {
	var attributes *AttributeError
	switch {
	case q.ContainerInstanceARN != "" && errors.Is(err, ecsapi.ErrInstanceTypeChanged):
		//lint:ignore ST1005 users know this text
		err = fmt.Errorf("The current instance type does not match the registered instance type. Please revert the instance type change, or alternatively launch a new instance: %w", err)
	case errors.Is(err, ecsapi.ErrInvalidParameter), errors.Is(err, ecsapi.ErrClient):
	case errors.As(err, &attributes):
		if len(q.Facts.Config.InstanceAttributes) > 0 {
			err = fmt.Errorf("%w%s", err, attributeHelp)
		}
	default:
		return &ExitError{CodeError, err}
	}
	logger.Critical("Agent will terminally exit, unable to register container instance:", logger.Err(err))
	return terminal(err)
}

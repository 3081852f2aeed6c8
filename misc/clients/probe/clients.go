//go:build linux

package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/open-telemetry/opentelemetry-collector-contrib/receiver/awsecscontainermetricsreceiver"
	"go.opentelemetry.io/collector/consumer/consumertest"
	"go.opentelemetry.io/collector/receiver/receivertest"
	"go.opentelemetry.io/contrib/detectors/aws/ecs"

	"github.com/aws/amazon-ecs-agent/misc/clients/found"
)

// limit bounds what the clients do.
const limit = 40 * time.Second

func clients() error {
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	var f found.Found
	if err := errors.Join(credentials(ctx, &f), resource(ctx, &f), metrics(ctx, &f)); err != nil {
		return err
	}
	return json.NewEncoder(os.Stdout).Encode(f)
}

// credentials asks the SDK's default chain, which has nothing but AWS_CONTAINER_CREDENTIALS_RELATIVE_URI to go by.
func credentials(ctx context.Context, f *found.Found) error {
	cfg, err := config.LoadDefaultConfig(ctx)
	if err != nil {
		return fmt.Errorf("AWS SDK: %w", err)
	}
	got, err := cfg.Credentials.Retrieve(ctx)
	if err != nil {
		return fmt.Errorf("AWS SDK: %w", err)
	}
	f.AccessKeyID, f.CredentialsSource, f.CredentialsExpire = got.AccessKeyID, got.Source, got.Expires
	f.HasSecret = got.SecretAccessKey != "" && got.SessionToken != ""
	return nil
}

// resource asks OpenTelemetry's detector for Amazon ECS.
func resource(ctx context.Context, f *found.Found) error {
	r, err := ecs.NewResourceDetector().Detect(ctx)
	if err != nil {
		return fmt.Errorf("OpenTelemetry resource detector: %w", err)
	}
	f.Resource = map[string]string{}
	for _, a := range r.Attributes() {
		f.Resource[string(a.Key)] = a.Value.String()
	}
	return nil
}

// metrics lets the collector's receiver read task metadata and stats until it has made metrics of them.
func metrics(ctx context.Context, f *found.Found) error {
	factory := awsecscontainermetricsreceiver.NewFactory()
	cfg := factory.CreateDefaultConfig().(*awsecscontainermetricsreceiver.Config)
	cfg.CollectionInterval = time.Second
	sink := new(consumertest.MetricsSink)
	receiver, err := factory.CreateMetrics(ctx, receivertest.NewNopSettings(factory.Type()), cfg, sink)
	if err != nil {
		return fmt.Errorf("metrics receiver: %w", err)
	}
	if err := receiver.Start(ctx, nil); err != nil {
		return fmt.Errorf("metrics receiver: %w", err)
	}
	defer func() { _ = receiver.Shutdown(context.WithoutCancel(ctx)) }()
	for {
		f.Metrics = map[string]bool{}
		f.MetricResource = map[string]string{}
		for _, m := range sink.AllMetrics() {
			for _, r := range m.ResourceMetrics().All() {
				for key, value := range r.Resource().Attributes().All() {
					f.MetricResource[key] = value.AsString()
				}
				for _, s := range r.ScopeMetrics().All() {
					for _, one := range s.Metrics().All() {
						f.Metrics[one.Name()] = true
					}
				}
			}
		}
		if f.Metrics["ecs.task.cpu.utilized"] && f.Metrics["container.memory.usage"] {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("metrics receiver: no metrics of task and containers, only %v", f.Metrics)
		case <-time.After(500 * time.Millisecond):
		}
	}
}

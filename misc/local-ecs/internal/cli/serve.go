package cli

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"github.com/aws/amazon-ecs-agent/misc/local-ecs/internal/acs"
	"github.com/aws/amazon-ecs-agent/misc/local-ecs/internal/control"
	"github.com/aws/amazon-ecs-agent/misc/local-ecs/internal/rolecreds"
	"github.com/aws/amazon-ecs-agent/misc/local-ecs/internal/server"
)

// defaultListen is where local-ecs serves unless told otherwise: on loopback, for requests are not authenticated.
const defaultListen = "127.0.0.1:8100"

const serveExamples = `  local-ecs serve
  local-ecs serve --data-dir /var/lib/local-ecs --clusters default,staging --imds 127.0.0.1:8101
  local-ecs serve --aws-data misc/local-ecs/examples/aws-data
  local-ecs serve --credentials-from-env       # tasks with a role get your own AWS credentials
`

type serveFlags struct {
	listen, imds, dataDir, awsData, region, account, zone, clusters, level string
	heartbeat, redeliver, lifetime, credentials, keep, attach              time.Duration
	fromEnv, faults                                                        bool
}

func serve(ctx context.Context, env *Env, args []string) (int, error) {
	f, err := parseServe(env, args)
	if err != nil {
		return exitUsage, err
	}
	var level slog.Level
	if err := level.UnmarshalText([]byte(f.level)); err != nil {
		return exitUsage, errUsage{fmt.Errorf("--log-level %q: use debug, info, warn or error", f.level)}
	}
	log := newLog(env.Err, level)
	source := rolecreds.Fake(f.credentials)
	if f.fromEnv {
		if source, err = rolecreds.FromEnvironment(env.Getenv, f.credentials); err != nil {
			return exitError, err
		}
	}
	s, err := server.New(server.Config{
		DataDir:      f.dataDir,
		Region:       f.region,
		Account:      f.account,
		Zone:         f.zone,
		Clusters:     splitList(f.clusters),
		ACS:          acs.Options{Heartbeat: f.heartbeat, Redeliver: f.redeliver, Lifetime: f.lifetime},
		Credentials:  source,
		Retention:    f.keep,
		AttachLimit:  f.attach,
		EnableFaults: f.faults,
		AWSData:      f.awsData,
		Log:          log,
	})
	if err != nil {
		return exitError, err
	}
	listener, metadata, err := listen(f.listen, f.imds)
	if err != nil {
		return exitError, errors.Join(err, s.Close())
	}
	announce(log, f, listener, metadata)

	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	go func() {
		select {
		case sig := <-env.Interrupts:
			log.Info("shutting down", "signal", sig)
			cancel(nil)
		case <-ctx.Done():
		}
	}()
	return exitOK, server.Serve(ctx, s, listener, metadata)
}

func parseServe(env *Env, args []string) (*serveFlags, error) {
	f := &serveFlags{}
	fs := flags(env, "serve", "[flags]", serveExamples)
	fs.StringVar(&f.listen, "listen", defaultListen, "`address` to serve on; requests are not authenticated, so keep it on loopback")
	fs.StringVar(&f.imds, "imds", "", "`address` of an instance metadata service (IMDSv2), e.g. 127.0.0.1:8101; agents find it with AWS_EC2_METADATA_SERVICE_ENDPOINT")
	fs.StringVar(&f.dataDir, "data-dir", defaultDataDir(env), "`directory` of the state file")
	fs.StringVar(&f.awsData, "aws-data", "", "`directory` of parameters, secrets, S3 objects and the registry behind ECR; agents find them with AWS_ENDPOINT_URL_SSM, _SECRETS_MANAGER, _S3 and _ECR")
	fs.StringVar(&f.region, "region", "us-east-1", "AWS `region` in ARNs")
	fs.StringVar(&f.account, "account", "123456789012", "AWS `account` in ARNs")
	fs.StringVar(&f.zone, "availability-zone", "", "availability `zone` of all instances (default: region + a)")
	fs.StringVar(&f.clusters, "clusters", "default", "comma list of clusters to make at the start; empty for none")
	fs.DurationVar(&f.heartbeat, "heartbeat", 30*time.Second, "time between heartbeats to agents")
	fs.DurationVar(&f.redeliver, "redeliver", 10*time.Second, "time after which an unacknowledged message is sent again")
	fs.DurationVar(&f.lifetime, "connection-lifetime", time.Hour, "time after which an agent's connection is closed, 0 for never")
	fs.DurationVar(&f.credentials, "credentials-lifetime", 6*time.Hour, "validity of role credentials; they are renewed after two thirds of it")
	fs.DurationVar(&f.keep, "keep-stopped", time.Hour, "how long stopped tasks, deleted services and deregistered instances can be described")
	fs.DurationVar(&f.attach, "attach-limit", control.DefaultAttachLimit, "how long the agent may take to see the network interface of a task")
	fs.BoolVar(&f.fromEnv, "credentials-from-env", false, "give tasks with a role the credentials in AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_SESSION_TOKEN instead of fake ones")
	fs.BoolVar(&f.faults, "enable-faults", false, "test interface below /_local/: faults, submissions, state, telemetry")
	fs.StringVar(&f.level, "log-level", "info", "debug, info, warn or error")
	positional, err := parse(fs, args)
	if err != nil {
		return nil, err
	}
	if err := exactly(positional); err != nil {
		return nil, err
	}
	for name, d := range map[string]time.Duration{"--heartbeat": f.heartbeat, "--redeliver": f.redeliver, "--credentials-lifetime": f.credentials, "--attach-limit": f.attach} {
		if d <= 0 {
			return nil, errUsage{fmt.Errorf("%s must be more than 0", name)}
		}
	}
	if !regexp.MustCompile(`^[0-9]{12}$`).MatchString(f.account) {
		return nil, errUsage{fmt.Errorf("--account %q: an AWS account id has 12 digits", f.account)}
	}
	return f, nil
}

func defaultDataDir(env *Env) string {
	if dir := env.Getenv("XDG_STATE_HOME"); dir != "" {
		return filepath.Join(dir, "local-ecs")
	}
	if home := env.Getenv("HOME"); home != "" {
		return filepath.Join(home, ".local", "state", "local-ecs")
	}
	return filepath.Join(os.TempDir(), "local-ecs")
}

func splitList(s string) []string {
	var out []string
	for _, p := range strings.Split(s, ",") {
		if p = strings.TrimSpace(p); p != "" {
			out = append(out, p)
		}
	}
	return out
}

func listen(address, metadataAddress string) (listener, metadata net.Listener, err error) {
	if listener, err = net.Listen("tcp", address); err != nil {
		return nil, nil, fmt.Errorf("--listen %s: %w", address, err)
	}
	if metadataAddress == "" {
		return listener, nil, nil
	}
	if metadata, err = net.Listen("tcp", metadataAddress); err != nil {
		listener.Close()
		return nil, nil, fmt.Errorf("--imds %s: %w", metadataAddress, err)
	}
	return listener, metadata, nil
}

func announce(log *slog.Logger, f *serveFlags, listener, metadata net.Listener) {
	log.Info("local-ecs serves the ECS API", "endpoint", "http://"+listener.Addr().String(), "region", f.region, "data", f.dataDir)
	if metadata != nil {
		log.Info("instance metadata service", "endpoint", "http://"+metadata.Addr().String())
	}
	if host, _, err := net.SplitHostPort(listener.Addr().String()); err == nil {
		if ip := net.ParseIP(host); ip != nil && !ip.IsLoopback() {
			log.Warn("reachable from other hosts, and requests are not authenticated", "listen", listener.Addr())
		}
	}
	if f.faults {
		log.Warn("fault interface enabled", "path", "/_local/")
	}
	if f.fromEnv {
		log.Warn("tasks with a role get the credentials of this process's environment")
	}
}

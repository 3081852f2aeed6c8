package awsclient

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os/exec"
	"runtime"
	"time"
)

// profileSource gets credentials the way the selected profile of the shared configuration says: a key pair, a web identity,
// an external program, or a role assumed from another source.
type profileSource struct {
	env                          Environment
	sts                          stsClient
	environment, container, role source
}

func (profileSource) name() string { return "SharedConfigCredentials" }

func (s profileSource) fetch(ctx context.Context) (lease, error) {
	return s.fetchProfile(ctx, s.env.profileName(), map[string]bool{})
}

// fetchProfile follows source_profile; visited ends circles.
func (s profileSource) fetchProfile(ctx context.Context, name string, visited map[string]bool) (lease, error) {
	if visited[name] {
		return lease{}, fmt.Errorf("profile %q is its own source_profile", name)
	}
	visited[name] = true
	p, _, err := loadProfile(s.env, name)
	if err != nil {
		return lease{}, err
	}
	l, err := s.fetchFrom(ctx, p, name, visited)
	if err != nil {
		return lease{}, fmt.Errorf("profile %q: %w", name, err)
	}
	return l, nil
}

func (s profileSource) fetchFrom(ctx context.Context, p profile, name string, visited map[string]bool) (lease, error) {
	switch {
	case p["role_arn"] != "" && p["web_identity_token_file"] != "":
		return s.sts.assumeWithWebIdentity(ctx, p["role_arn"], p["role_session_name"], p["web_identity_token_file"])
	case p["role_arn"] != "" && p["mfa_serial"] != "":
		return lease{}, errors.New("role_arn with mfa_serial needs a person to type the code; use a role without MFA")
	case p["role_arn"] != "" && (p["source_profile"] != "" || p["credential_source"] != ""):
		base, err := s.baseOf(ctx, p, name, visited)
		if err != nil {
			return lease{}, err
		}
		return s.sts.assumeRole(ctx, base, p)
	case p.staticKeys().Valid():
		return keep(p.staticKeys()), nil
	case p["credential_process"] != "":
		return runCredentialProcess(ctx, p["credential_process"])
	case p.usesSSO():
		return lease{}, errors.New("IAM Identity Center (sso_*) profiles need an interactive login and are not supported; use a role, keys or credential_process")
	}
	return lease{}, errNoKeyPair
}

// baseOf gets the credentials that may assume the role of p.
func (s profileSource) baseOf(ctx context.Context, p profile, name string, visited map[string]bool) (Credentials, error) {
	if from := p["source_profile"]; from != "" {
		if from == name { // a profile may name itself when it also holds the keys
			if keys := p.staticKeys(); keys.Valid() {
				return keys, nil
			}
		}
		l, err := s.fetchProfile(ctx, from, visited)
		return l.Credentials, err
	}
	origins := map[string]source{"Environment": s.environment, "Ec2InstanceMetadata": s.role, "EcsContainer": s.container}
	origin, known := origins[p["credential_source"]]
	if !known {
		return Credentials{}, fmt.Errorf("credential_source %q is none of Environment, Ec2InstanceMetadata, EcsContainer", p["credential_source"])
	}
	l, err := origin.fetch(ctx)
	return l.Credentials, err
}

// processTimeout bounds a credential_process.
const processTimeout = time.Minute

func runCredentialProcess(ctx context.Context, command string) (lease, error) {
	ctx, cancel := context.WithTimeout(ctx, processTimeout)
	defer cancel()
	shell := []string{"sh", "-c"}
	if runtime.GOOS == "windows" {
		shell = []string{"cmd.exe", "/C"}
	}
	cmd := exec.CommandContext(ctx, shell[0], append(shell[1:], command)...)
	cmd.WaitDelay = time.Second
	var out bytes.Buffer
	cmd.Stdout = &out // stderr is dropped: it may quote a secret
	if err := cmd.Run(); err != nil {
		return lease{}, fmt.Errorf("credential_process: %w", err)
	}
	c, err := parseEndpointCredentials(out.Bytes())
	if err != nil {
		return lease{}, fmt.Errorf("credential_process: %w", err)
	}
	return temporary(c, time.Now()), nil
}

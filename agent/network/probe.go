package network

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"
)

// probeLimit bounds a question to a plug-in.
const probeLimit = 10 * time.Second

// capabilityAWSVPC is what plug-ins have to offer.
const capabilityAWSVPC = "awsvpc-network-mode"

// Probe makes sure that the plug-ins are there and do what tasks need.
func (p Plugins) Probe(ctx context.Context, trunking bool) error {
	required := []string{pluginENI, pluginBridge, pluginIPAM}
	if trunking {
		required = append(required, pluginBranchENI)
	}
	for _, name := range append(required, pluginAppMesh) {
		capabilities, err := p.capabilities(ctx, name)
		if err != nil {
			return err
		}
		if name != pluginAppMesh && !slices.Contains(capabilities, capabilityAWSVPC) {
			return fmt.Errorf("plugin '%s' doesn't support the capability: %s", name, capabilityAWSVPC)
		}
	}
	return nil
}

func (p Plugins) capabilities(ctx context.Context, name string) ([]string, error) {
	path := filepath.Join(p.Dir, name)
	if _, err := os.Stat(path); err != nil {
		return nil, fmt.Errorf("ecscni: unable to describe file info for '%s': %w", path, err)
	}
	stdout, err := ask(ctx, path, "--capabilities")
	if err != nil {
		return nil, fmt.Errorf("ecscni: failed invoking capabilities command for '%s': %w", name, err)
	}
	var answer struct {
		Capabilities []string `json:"capabilities"`
	}
	if err := json.Unmarshal(stdout, &answer); err != nil {
		return nil, fmt.Errorf("ecscni: failed to unmarshal capabilities for '%s' from string: %s: %w", name, stdout, err)
	}
	return answer.Capabilities, nil
}

// Versions of the plug-ins that ECS is told about; empty when they could not be asked.
type Versions struct{ ENI, BranchENI string }

// Versions asks the plug-ins for their versions. The error tells about all that could not be asked.
func (p Plugins) Versions(ctx context.Context, trunking bool) (v Versions, err error) {
	v.ENI, err = p.version(ctx, pluginENI)
	if !trunking {
		return v, err
	}
	branch, branchErr := p.version(ctx, pluginBranchENI)
	v.BranchENI = branch
	if err == nil {
		err = branchErr
	}
	return v, err
}

func (p Plugins) version(ctx context.Context, name string) (string, error) {
	stdout, err := ask(ctx, filepath.Join(p.Dir, name), "--version")
	if err != nil {
		return "", fmt.Errorf("ecscni: failed invoking version command for '%s': %w", name, err)
	}
	var answer struct {
		Version string `json:"version"`
		Dirty   bool   `json:"dirty"`
		Hash    string `json:"gitShortHash"`
	}
	if err := json.Unmarshal(stdout, &answer); err != nil {
		return "", fmt.Errorf("ecscni: unmarshal version from string: %s: %w", stdout, err)
	}
	text := answer.Hash + "-" + answer.Version
	if answer.Dirty {
		text = "@" + text
	}
	return text, nil
}

func ask(ctx context.Context, path, question string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, probeLimit)
	defer cancel()
	stdout, _, err := run(ctx, nil, os.Environ(), path, question)
	return stdout, err
}

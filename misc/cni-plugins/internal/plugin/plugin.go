// Package plugin is the frame around each of our CNI plugins: the exec contract of ECS agents (environment, versions,
// errors, output, --version and --capabilities) and the log. What a plugin does is its Add and its Del.
package plugin

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"runtime/debug"
	"slices"
	"time"

	"github.com/containernetworking/cni/pkg/types"
	types040 "github.com/containernetworking/cni/pkg/types/040"
	types100 "github.com/containernetworking/cni/pkg/types/100"
)

// CapabilityAWSVPC is what agents look for in the plugins that awsvpc tasks need.
const CapabilityAWSVPC = "awsvpc-network-mode"

// limit ends a call whose caller is gone. An agent gives up after a minute, for all plugins of a task together.
const limit = time.Minute

const (
	codeVersion = 1   // of the CNI specification: incompatible version
	codeFailed  = 100 // a plugin's own errors
)

// Plugin is one CNI plugin.
type Plugin struct {
	Name         string
	Family       Family
	Capabilities []string
	// LogFile is where the log goes unless the family's variable says otherwise.
	LogFile string
	Add     func(context.Context, *Call) (*types040.Result, error)
	Del     func(context.Context, *Call) error
}

// Family is what the plugins of one origin have in common.
type Family struct {
	versions           []string // of the CNI specification, the oldest first
	logFile, logLevel  string   // environment variables
	versionWithDirty   bool
	defaultVersionSeen string // the version of a configuration without one
}

// The two families that agents know. The strict one has always spoken one version of CNI only.
var (
	ECS = Family{versions: []string{"0.3.0"}, logFile: "ECS_CNI_LOG_FILE", logLevel: "ECS_CNI_LOGLEVEL", versionWithDirty: true, defaultVersionSeen: "0.1.0"}
	VPC = Family{versions: []string{"0.3.0", "0.3.1", "0.4.0", "1.0.0"}, logFile: "VPC_CNI_LOG_FILE", logLevel: "VPC_CNI_LOG_LEVEL", defaultVersionSeen: "0.1.0"}
)

// Call is what a caller wants.
type Call struct {
	ContainerID string
	NetNS       string // path of the network namespace
	IfName      string // interface in the namespace
	Args        string // KEY=VALUE;KEY=VALUE
	Path        string // directories of plugins
	Stdin       []byte // the network configuration
	Log         *Log
}

// Process is what a plugin sees of the process it runs in.
type Process struct {
	Args           []string // without the program's name
	Getenv         func(string) string
	Stdin          io.Reader
	Stdout, Stderr io.Writer
}

// Run does what the process was started for and returns its exit code.
func (p *Plugin) Run(proc Process) int {
	if len(proc.Args) > 0 {
		return p.flags(proc)
	}
	log := openLog(proc.Getenv(p.Family.logFile), p.LogFile, proc.Getenv(p.Family.logLevel))
	defer log.close()
	result, err := p.serve(proc, log)
	if err != nil {
		log.Error(fmt.Sprintf("%s failed: %v", p.Name, err))
		_ = printJSON(proc.Stdout, asCNI(err))
		return 1
	}
	if result == nil {
		return 0
	}
	if err := printJSON(proc.Stdout, result); err != nil {
		log.Error(fmt.Sprintf("%s: result cannot be written: %v", p.Name, err))
		return 1
	}
	return 0
}

// flags answers --version and --capabilities, which agents ask for at their start.
func (p *Plugin) flags(proc Process) int {
	flags := flag.NewFlagSet(p.Name, flag.ContinueOnError)
	flags.SetOutput(proc.Stderr)
	version := flags.Bool("version", false, "print the version as JSON and exit")
	capabilities := flags.Bool("capabilities", false, "print the capabilities as JSON and exit")
	flags.Usage = func() {
		_, _ = fmt.Fprintf(proc.Stderr, "%s is a CNI plugin: it is run by a container agent, with CNI_COMMAND and the configuration on standard input.\n", p.Name)
		flags.PrintDefaults()
	}
	if err := flags.Parse(proc.Args); errors.Is(err, flag.ErrHelp) {
		return 0
	} else if err != nil {
		return 2
	}
	var answer any
	switch {
	case *version:
		answer = p.version()
	case *capabilities:
		answer = struct {
			Capabilities []string `json:"capabilities,omitempty"`
		}{p.Capabilities}
	default:
		flags.Usage()
		return 2
	}
	text, err := json.Marshal(answer)
	if err == nil {
		_, err = fmt.Fprintf(proc.Stdout, "%s\n", text)
	}
	if err != nil {
		return 1
	}
	return 0
}

// serve answers one CNI command with what is to be printed, nil for nothing.
func (p *Plugin) serve(proc Process, log *Log) (result any, err error) {
	defer func() {
		if r := recover(); r != nil {
			log.Error(string(debug.Stack()))
			err = fmt.Errorf("%s: internal error: %v", p.Name, r)
		}
	}()
	command := proc.Getenv("CNI_COMMAND")
	if missing := missingVariables(command, proc.Getenv); len(missing) > 0 {
		for _, name := range missing {
			_, _ = fmt.Fprintf(proc.Stderr, "%s env variable missing\n", name)
		}
		return nil, errors.New("required env variables missing")
	}
	switch command {
	case "VERSION":
		return struct {
			CNIVersion string   `json:"cniVersion"`
			Supported  []string `json:"supportedVersions"`
		}{p.Family.versions[len(p.Family.versions)-1], p.Family.versions}, nil
	case "ADD", "DEL":
	default:
		return nil, fmt.Errorf("unknown CNI_COMMAND: %s", command)
	}
	call := &Call{
		ContainerID: proc.Getenv("CNI_CONTAINERID"), NetNS: proc.Getenv("CNI_NETNS"), IfName: proc.Getenv("CNI_IFNAME"),
		Args: proc.Getenv("CNI_ARGS"), Path: proc.Getenv("CNI_PATH"), Log: log,
	}
	if call.Stdin, err = io.ReadAll(proc.Stdin); err != nil {
		return nil, fmt.Errorf("error reading from stdin: %w", err)
	}
	version, err := p.Family.negotiate(call.Stdin)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	if command == "DEL" {
		return nil, p.Del(ctx, call)
	}
	added, err := p.Add(ctx, call)
	if err != nil {
		return nil, err
	}
	return inVersion(added, version)
}

// missingVariables names the variables without which a command cannot be done. Without a command nothing else counts.
func missingVariables(command string, getenv func(string) string) []string {
	var needed []string
	switch command {
	case "":
		needed = []string{"CNI_COMMAND"}
	case "ADD":
		needed = []string{"CNI_NETNS", "CNI_IFNAME", "CNI_PATH"}
	case "DEL":
		needed = []string{"CNI_IFNAME", "CNI_PATH"}
	}
	return slices.DeleteFunc(needed, func(name string) bool { return getenv(name) != "" })
}

// negotiate returns the CNI version of a configuration if it is one of the family's.
func (f Family) negotiate(config []byte) (string, error) {
	var conf struct {
		CNIVersion string `json:"cniVersion"`
	}
	if err := json.Unmarshal(config, &conf); err != nil {
		return "", fmt.Errorf("decoding version from network config: %w", err)
	}
	if conf.CNIVersion == "" {
		conf.CNIVersion = f.defaultVersionSeen
	}
	if !slices.Contains(f.versions, conf.CNIVersion) {
		return "", types.NewError(codeVersion, "incompatible CNI versions", fmt.Sprintf("config is %q, plugin supports %q", conf.CNIVersion, f.versions))
	}
	return conf.CNIVersion, nil
}

// inVersion puts a result into the words of a CNI version. A result in the first one never named its version.
func inVersion(result *types040.Result, version string) (any, error) {
	if version == "0.3.0" {
		return result, nil
	}
	result.CNIVersion = types040.ImplementedSpecVersion
	if version != types100.ImplementedSpecVersion && version != "1.0.0" {
		return result.GetAsVersion(version)
	}
	current, err := types100.NewResultFromResult(result)
	if err != nil {
		return nil, err
	}
	return current.GetAsVersion(version)
}

// asCNI is the error object of the CNI specification for any error. That of another plugin inside is a part of the text.
func asCNI(err error) *types.Error {
	if cni, is := err.(*types.Error); is {
		return cni
	}
	return types.NewError(codeFailed, err.Error(), "")
}

func printJSON(w io.Writer, v any) error {
	text, err := json.MarshalIndent(v, "", "    ")
	if err != nil {
		return err
	}
	_, err = w.Write(text)
	return err
}

// IPConfig is an address of a result. The interface is an index into the result's interfaces, negative for none.
func IPConfig(address *net.IPNet, gateway net.IP, iface int) *types040.IPConfig {
	version := "6"
	if address.IP.To4() != nil {
		version = "4"
	}
	c := &types040.IPConfig{Version: version, Address: *address, Gateway: gateway}
	if iface >= 0 {
		c.Interface = types040.Int(iface)
	}
	return c
}

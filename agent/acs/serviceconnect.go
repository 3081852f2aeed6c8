package acs

import (
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"strings"

	"github.com/aws/amazon-ecs-agent/agent/logger"
	"github.com/aws/amazon-ecs-agent/agent/task"
)

// serviceConnect is the Service Connect configuration of a task, as it comes in the attachment and as agent.db keeps it
// (member ServiceConnectConfig of the task).
type serviceConnect struct {
	ContainerName string             `json:"containerName"`
	Ingress       []scIngress        `json:"ingressConfig,omitempty"`
	Egress        *scEgress          `json:"egressConfig,omitempty"`
	DNS           []serviceConnectIP `json:"dnsConfig,omitempty"`
}

type scIngress struct {
	ListenerName string `json:"listenerName"`
	ListenerPort uint16 `json:"listenerPort"` // 0: the agent chooses one
	// InterceptPort is of use in awsvpc mode, HostPort in bridge mode.
	InterceptPort *uint16 `json:"interceptPort,omitempty"`
	HostPort      *uint16 `json:"hostPort,omitempty"`
}

type scEgress struct {
	ListenerName string `json:"listenerName"`
	ListenerPort uint16 `json:"listenerPort"`
	VIP          struct {
		IPv4CIDR string `json:"ipv4Cidr"`
		IPv6CIDR string `json:"ipv6Cidr"`
	} `json:"vip"`
}

// serviceConnectIP is the address behind which a service is found.
type serviceConnectIP struct {
	HostName string `json:"hostName"`
	Address  string `json:"address"`
}

func serviceConnectFromAttachment(t *task.Task, a *wireAttachment) (json.RawMessage, error) {
	config, err := parseServiceConnect(a)
	if err != nil {
		return nil, fmt.Errorf("error parsing service connect config value from the service connect attachment: %w", err)
	}
	if err := config.check(t); err != nil {
		return nil, fmt.Errorf("service connect config validation failed: %w", err)
	}
	return json.Marshal(config)
}

func parseServiceConnect(a *wireAttachment) (serviceConnect, error) {
	var text, name *string
	for _, p := range a.Properties {
		if p == nil {
			continue
		}
		switch p.Name {
		case "ServiceConnectConfig":
			text = &p.Value
		case "ContainerName":
			name = &p.Value
		}
	}
	if text == nil || name == nil {
		return serviceConnect{}, fmt.Errorf("missing service connect config required key(s) in the attachment: found service connect config key: %t, found service connect container name key: %t",
			text != nil, name != nil)
	}
	var config serviceConnect
	if err := json.Unmarshal([]byte(*text), &config); err != nil {
		return serviceConnect{}, fmt.Errorf("failed to unmarshal service connect attachment property value: %w", err)
	}
	config.ContainerName = *name
	return config, nil
}

func (s *serviceConnect) check(t *task.Task) error {
	if err := s.checkContainer(t); err != nil {
		return err
	}
	if err := s.Egress.check(); err != nil {
		return err
	}
	for _, d := range s.DNS {
		if err := d.check(); err != nil {
			return err
		}
	}
	return s.checkIngress(t)
}

func (s *serviceConnect) checkContainer(t *task.Task) error {
	if s.ContainerName == "" {
		return errors.New("missing service connect container name")
	}
	found := 0
	for _, c := range t.Containers {
		if c.Name == s.ContainerName {
			found++
		}
	}
	switch found {
	case 0:
		return fmt.Errorf("service connect container name=%s does not exist in the task", s.ContainerName)
	case 1:
		return nil
	}
	return fmt.Errorf("found %d duplicate service connect container name=%s in the task", found, s.ContainerName)
}

func (e *scEgress) check() error {
	if e == nil {
		return nil
	}
	if e.ListenerName == "" {
		return errors.New("missing listener name in the egress config")
	}
	if cidr := strings.TrimSpace(e.VIP.IPv4CIDR); cidr != "" && !isCIDROf(cidr, true) {
		return fmt.Errorf("CIDR=%s is not a valid IPv4 CIDR", cidr)
	}
	if cidr := strings.TrimSpace(e.VIP.IPv6CIDR); cidr != "" && !isCIDROf(cidr, false) {
		return fmt.Errorf("CIDR=%s is not a valid IPv6 CIDR", cidr)
	}
	return nil
}

func isCIDROf(s string, v4 bool) bool {
	ip, _, err := net.ParseCIDR(s)
	return err == nil && (ip.To4() != nil) == v4
}

func (d serviceConnectIP) check() error {
	switch {
	case d.HostName == "":
		return fmt.Errorf("missing hostname in the DNS config with hostname=%s, and address=%s", d.HostName, d.Address)
	case d.Address == "":
		return fmt.Errorf("missing address in the DNS config with hostname=%s, and address=%s", d.HostName, d.Address)
	case net.ParseIP(d.Address) == nil:
		return fmt.Errorf("hostname=%s, address=%s in the DNS config is not valid: address=%s is not a valid IP address", d.HostName, d.Address, d.Address)
	}
	return nil
}

func (s *serviceConnect) checkIngress(t *task.Task) error {
	if len(s.Ingress) == 0 {
		return nil
	}
	if t.NetworkMode != modeBridge && t.NetworkMode != task.NetworkAWSVPC {
		return fmt.Errorf("service connect does not support for %s newtork mode", t.NetworkMode) // spelled as users know it
	}
	listening := ports{} // intercept and listener ports share the sidecar's network
	host := ports{}
	for _, in := range s.Ingress {
		used, other, useOther := in.InterceptPort, in.HostPort, "host port"
		if t.NetworkMode == modeBridge {
			used, other, useOther = in.HostPort, in.InterceptPort, "intercept port"
		}
		if other != nil {
			logger.Warn("Ignoring a Service Connect port that has no use in the task's network mode",
				logger.F("taskARN", t.ARN), logger.F("networkMode", t.NetworkMode), logger.F("port", useOther))
		}
		var err error
		if t.NetworkMode == task.NetworkAWSVPC {
			err = in.checkIntercept(used, listening)
		} else {
			err = in.checkHost(used, host)
		}
		if err != nil {
			return err
		}
		if in.ListenerPort != 0 {
			if err := listening.add("listener", in.ListenerPort, in.ListenerName); err != nil {
				return err
			}
		}
	}
	return nil
}

func (in scIngress) checkIntercept(port *uint16, taken ports) error {
	if port == nil {
		return nil
	}
	if *port == 0 {
		return zeroPort("intercept")
	}
	if in.ListenerName == "" {
		return fmt.Errorf("missing listener name in the ingress config with intercept port=%d", *port)
	}
	return taken.add("intercept", *port, in.ListenerName)
}

func (in scIngress) checkHost(port *uint16, taken ports) error {
	if port == nil {
		return nil
	}
	if *port == 0 {
		return zeroPort("host")
	}
	return taken.add("host", *port, in.ListenerName)
}

func zeroPort(kind string) error {
	return fmt.Errorf("%s port=0 in the ingress config is not valid: port=0 is not a valid port. A valid port ranges from 1 through 65535", kind)
}

// ports are the ports one network has in use.
type ports map[uint16]bool

func (p ports) add(kind string, port uint16, listener string) error {
	if p[port] {
		return fmt.Errorf("%s port collision detected in the ingress config with %s port=%d, and listener name=%s", kind, kind, port, listener)
	}
	p[port] = true
	return nil
}

package proxy

import (
	"encoding/json"
	"errors"
	"fmt"
	"net"
)

// How connections to the services' addresses reach the proxy.
const (
	modeNAT    = "nat"
	modeTProxy = "tproxy"
)

// connectConfig is the configuration of ecs-serviceconnect. encoding/json does not care about the case of names, as the
// contract wants.
type connectConfig struct {
	Ingress []struct {
		ListenerPort  int `json:"listenerPort"`
		InterceptPort int `json:"interceptPort"`
	} `json:"ingressConfig"`
	Egress *struct {
		ListenerPort int        `json:"listenerPort"`
		RedirectIP   *addresses `json:"redirectIP"`
		RedirectMode string     `json:"redirectMode"`
		VIP          *cidrs     `json:"vip"`
	} `json:"egressConfig"`
	EnableIPv4 bool `json:"enableIPv4"`
	EnableIPv6 bool `json:"enableIPv6"`
}

type addresses struct {
	IPv4 string `json:"ipv4"`
	IPv6 string `json:"ipv6"`
}

type cidrs struct {
	IPv4 string `json:"ipv4Cidr"`
	IPv6 string `json:"ipv6Cidr"`
}

// connectFamily is the part of the egress that differs between address families.
type connectFamily struct {
	ipv6       bool
	vip        *net.IPNet // of the services, nil without egress
	redirectIP net.IP     // of the proxy's namespace, nil when that is here
}

func (f connectFamily) vipText() string {
	if f.vip == nil {
		return ""
	}
	return f.vip.String()
}

func parseConnect(text []byte) (*connectConfig, error) {
	c := &connectConfig{}
	if err := json.Unmarshal(text, c); err != nil {
		return nil, fmt.Errorf("failed to parse network config: %w", err)
	}
	if len(c.Ingress) == 0 && c.Egress == nil {
		return nil, errors.New("either IngressConfig or EgressConfig must be present")
	}
	if !c.EnableIPv4 && !c.EnableIPv6 {
		return nil, errors.New("both V4 and V6 cannot be disabled")
	}
	if err := c.checkEgress(); err != nil {
		return nil, err
	}
	for _, in := range c.Ingress {
		if !validPort(in.ListenerPort) {
			return nil, fmt.Errorf("invalid port %d specified", in.ListenerPort)
		}
		if in.InterceptPort != 0 && !validPort(in.InterceptPort) {
			return nil, fmt.Errorf("invalid port %d specified", in.InterceptPort)
		}
	}
	return c, nil
}

func (c *connectConfig) checkEgress() error {
	e := c.Egress
	if e == nil {
		return nil
	}
	switch {
	case (e.ListenerPort == 0) == (e.RedirectIP == nil):
		return errors.New("exactly one of ListenerPort and RedirectIP must be specified in Egress")
	case e.RedirectMode != modeNAT && e.RedirectMode != modeTProxy:
		return errors.New("invalid parameter: Egress RedirectMode")
	case e.RedirectMode == modeNAT && e.ListenerPort == 0:
		return errors.New("missing required parameter: Egress ListenerPort")
	case e.ListenerPort != 0 && !validPort(e.ListenerPort):
		return fmt.Errorf("invalid port %d specified", e.ListenerPort)
	}
	if ip := e.RedirectIP; ip != nil {
		if ip.IPv4 == "" && ip.IPv6 == "" {
			return errors.New("missing required parameter: EgressConfig Redirect IP")
		}
		if !isAddress(ip.IPv4, true) || !isAddress(ip.IPv6, false) {
			return errors.New("invalid parameter: EgressConfig RedirectIP")
		}
		if c.EnableIPv4 && ip.IPv4 == "" || c.EnableIPv6 && ip.IPv6 == "" {
			return errors.New("missing required parameter: EgressConfig Redirect IP")
		}
	}
	return c.checkVIP()
}

func (c *connectConfig) checkVIP() error {
	vip := c.Egress.VIP
	if vip == nil {
		return errors.New("missing required parameter: EgressConfig VIP")
	}
	if c.EnableIPv4 && vip.IPv4 == "" || c.EnableIPv6 && vip.IPv6 == "" {
		return errors.New("missing required parameter: EgressConfig VIP CIDR")
	}
	if !isNetwork(vip.IPv4, true) {
		return errors.New("invalid parameter: EgressConfig IPv4 CIDR Address")
	}
	if !isNetwork(vip.IPv6, false) {
		return errors.New("invalid parameter: EgressConfig IPv6 CIDR Address")
	}
	return nil
}

func isAddress(text string, v4 bool) bool {
	if text == "" {
		return true
	}
	ip := net.ParseIP(text)
	return ip != nil && (ip.To4() != nil) == v4
}

func isNetwork(text string, v4 bool) bool {
	if text == "" {
		return true
	}
	ip, _, err := net.ParseCIDR(text)
	return err == nil && (ip.To4() != nil) == v4
}

// family is the egress of one address family.
func (c *connectConfig) family(ipv6 bool) connectFamily {
	f := connectFamily{ipv6: ipv6}
	if c.Egress == nil {
		return f
	}
	vip, ip := c.Egress.VIP.IPv4, ""
	if ipv6 {
		vip = c.Egress.VIP.IPv6
	}
	if c.Egress.RedirectIP != nil {
		ip = c.Egress.RedirectIP.IPv4
		if ipv6 {
			ip = c.Egress.RedirectIP.IPv6
		}
	}
	_, f.vip, _ = net.ParseCIDR(vip)
	f.redirectIP = net.ParseIP(ip)
	return f
}

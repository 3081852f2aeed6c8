package branch

import (
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"

	"github.com/aws/amazon-ecs-agent/misc/cni-plugins/internal/link"
)

// Highest VLAN id of IEEE 802.1Q; 0 means "no VLAN".
const maxVLAN = 4094

type config struct {
	trunkName string
	trunkMAC  net.HardwareAddr
	vlanID    int
	branchMAC net.HardwareAddr
	addresses []*net.IPNet
	gateways  []net.IP
	blockIMDS bool
}

type configJSON struct {
	TrunkName             string   `json:"trunkName"`
	TrunkMACAddress       string   `json:"trunkMACAddress"`
	BranchVlanID          string   `json:"branchVlanID"`
	BranchMACAddress      string   `json:"branchMACAddress"`
	IPAddresses           []string `json:"ipAddresses"`
	GatewayIPAddresses    []string `json:"gatewayIPAddresses"`
	BlockInstanceMetadata bool     `json:"blockInstanceMetadata"`
	InterfaceType         string   `json:"interfaceType"`
}

// parse reads the configuration; what CNI_ARGS has comes before it.
func parse(text []byte, args string) (*config, error) {
	var j configJSON
	if err := json.Unmarshal(text, &j); err != nil {
		return nil, fmt.Errorf("failed to parse network config: %w", err)
	}
	j.override(args)
	switch {
	case j.TrunkName == "" && j.TrunkMACAddress == "":
		return nil, errors.New("missing required parameter trunkName or trunkMACAddress")
	case j.BranchVlanID == "":
		return nil, errors.New("missing required parameter branchVlanID")
	case j.BranchMACAddress == "":
		return nil, errors.New("missing required parameter branchMACAddress")
	case j.InterfaceType != "vlan":
		// Absent means tap, for micro virtual machines.
		return nil, fmt.Errorf("invalid interfaceType %q: this plugin makes interfaces of the type \"vlan\" only", j.InterfaceType)
	}
	c := &config{trunkName: j.TrunkName, blockIMDS: j.BlockInstanceMetadata}
	var err error
	if j.TrunkMACAddress != "" {
		if c.trunkMAC, err = net.ParseMAC(j.TrunkMACAddress); err != nil {
			return nil, fmt.Errorf("invalid trunkMACAddress %s", j.TrunkMACAddress)
		}
	}
	if c.vlanID, err = strconv.Atoi(j.BranchVlanID); err != nil || c.vlanID < 0 || c.vlanID > maxVLAN {
		return nil, fmt.Errorf("invalid branchVlanID %s", j.BranchVlanID)
	}
	if c.vlanID == 0 {
		//lint:ignore ST1005 the text is known like this
		return nil, errors.New("Invalid isolationID")
	}
	if c.branchMAC, err = net.ParseMAC(j.BranchMACAddress); err != nil {
		return nil, fmt.Errorf("invalid branchMACAddress %s", j.BranchMACAddress)
	}
	if c.addresses, err = link.Addresses(j.IPAddresses, "ipAddress"); err != nil {
		return nil, err
	}
	if c.gateways, err = link.Gateways(j.GatewayIPAddresses, "gatewayIPAddress"); err != nil {
		return nil, err
	}
	return c, nil
}

func (j *configJSON) override(args string) {
	for _, pair := range strings.Split(args, ";") {
		key, value, _ := strings.Cut(pair, "=")
		switch key {
		case "BranchVlanID":
			j.BranchVlanID = value
		case "BranchMACAddress":
			j.BranchMACAddress = value
		case "IPAddresses":
			j.IPAddresses = strings.Split(value, ",")
		case "GatewayIPAddresses":
			j.GatewayIPAddresses = strings.Split(value, ",")
		}
	}
}

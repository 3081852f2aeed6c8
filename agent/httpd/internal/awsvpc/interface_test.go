package awsvpc

import (
	"encoding/json"
	"testing"

	"github.com/aws/amazon-ecs-agent/agent/task"
)

func TestRecordsWithoutAnInterface(t *testing.T) {
	for _, record := range []string{"", "null", " null\n", "[]", "junk", `[{"MacAddress":1}]`} {
		if i := Of(&task.Task{ENI: json.RawMessage(record)}); i != nil {
			t.Errorf("%q: %+v", record, i)
		}
	}
}

func TestSubnetsOfUnreadableAddresses(t *testing.T) {
	i := Of(&task.Task{ENI: json.RawMessage(`[{"IPV6Addresses":[{"Address":"nonsense"}],"SubnetGatewayIPV4Address":"nonsense"}]`)})
	if i.IPv4Subnet() != "" || i.IPv6Subnet() != "" {
		t.Errorf("%q %q", i.IPv4Subnet(), i.IPv6Subnet())
	}
	// A gateway of the other family has more or fewer bits than the address.
	i = Of(&task.Task{ENI: json.RawMessage(`[{"IPV6Addresses":[{"Address":"10.0.0.1"}],"SubnetGatewayIPV6Address":"8::/48"}]`)})
	if i.IPv6Subnet() != "" {
		t.Errorf("%q", i.IPv6Subnet())
	}
}

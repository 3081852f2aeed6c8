package task

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestReportedBindings(t *testing.T) {
	published := func(containerPort, hostPort uint16, ip string) PortMapping {
		return PortMapping{ContainerPort: containerPort, HostPort: hostPort, BindIP: ip}
	}
	udp := func(p PortMapping) PortMapping { p.Protocol = UDP; return p }
	tests := []struct {
		name                     string
		c                        Container
		excludeIPv6, excludeIPv4 bool
		want                     []Binding
	}{
		{name: "without those on all IPv6 addresses",
			c:           Container{SinglePorts: PortSet{80: {}}, Bindings: []PortMapping{published(80, 8080, "0.0.0.0"), published(80, 8080, "::")}},
			excludeIPv6: true,
			want:        []Binding{{BindIP: "0.0.0.0", ContainerPort: 80, HostPort: 8080}}},
		{name: "without those on all IPv4 addresses",
			c:           Container{SinglePorts: PortSet{80: {}}, Bindings: []PortMapping{published(80, 8080, "0.0.0.0"), published(80, 8080, "::")}},
			excludeIPv4: true,
			want:        []Binding{{BindIP: "::", ContainerPort: 80, HostPort: 8080}}},
		{name: "a binding to one address is never left out",
			c:           Container{SinglePorts: PortSet{80: {}}, Bindings: []PortMapping{published(80, 8080, "127.0.0.1")}},
			excludeIPv4: true, excludeIPv6: true,
			want: []Binding{{BindIP: "127.0.0.1", ContainerPort: 80, HostPort: 8080}}},
		{name: "a range is one binding per address",
			c: Container{HasPortRange: true, HostRanges: map[string]string{"7000-7001": "40000-40001"}, Bindings: []PortMapping{
				published(7000, 40000, "0.0.0.0"), published(7001, 40001, "0.0.0.0"), published(7000, 40000, "::"), published(7001, 40001, "::")}},
			want: []Binding{
				{BindIP: "0.0.0.0", ContainerPortRange: "7000-7001", HostPortRange: "40000-40001"},
				{BindIP: "::", ContainerPortRange: "7000-7001", HostPortRange: "40000-40001"}}},
		{name: "the same range for both protocols is two bindings",
			c: Container{HasPortRange: true, HostRanges: map[string]string{"7000-7001": "40000-40001", "7000-7001/udp": "40000-40001"}, Bindings: []PortMapping{
				published(7000, 40000, "0.0.0.0"), published(7001, 40001, "0.0.0.0"), udp(published(7000, 40000, "0.0.0.0")), udp(published(7001, 40001, "0.0.0.0"))}},
			want: []Binding{
				{BindIP: "0.0.0.0", ContainerPortRange: "7000-7001", HostPortRange: "40000-40001"},
				{BindIP: "0.0.0.0", ContainerPortRange: "7000-7001", HostPortRange: "40000-40001", Protocol: UDP}}},
		{name: "a range that got other host ports than chosen is reported as it is",
			c: Container{HasPortRange: true, HostRanges: map[string]string{"7000-7001": "40000-40001"}, Bindings: []PortMapping{
				published(7000, 40050, "0.0.0.0"), published(7001, 40051, "0.0.0.0")}},
			want: []Binding{{BindIP: "0.0.0.0", ContainerPortRange: "7000-7001", HostPortRange: "40050-40051"}}},
		{name: "ports that the task definition does not name are not reported",
			c: Container{Bindings: []PortMapping{published(5432, 49160, "0.0.0.0")}}},
		{name: "a port asked for by itself says nothing about a range",
			c: Container{HasPortRange: true, SinglePorts: PortSet{53: {}}, HostRanges: map[string]string{"7000-7001": "40000-40001"}, Bindings: []PortMapping{
				udp(published(53, 40000, "0.0.0.0")), published(7000, 40000, "0.0.0.0"), published(7001, 40001, "0.0.0.0")}},
			want: []Binding{
				{BindIP: "0.0.0.0", ContainerPort: 53, HostPort: 40000, Protocol: UDP},
				{BindIP: "0.0.0.0", ContainerPortRange: "7000-7001", HostPortRange: "40000-40001"}}},
		{name: "a host range that cannot be read is not reported",
			c: Container{HostRanges: map[string]string{"1-2": "x"}, Bindings: []PortMapping{published(1, 49160, "0.0.0.0")}}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := tt.c.ReportedBindings(tt.excludeIPv6, tt.excludeIPv4)
			if err != nil {
				t.Fatal(err)
			}
			if len(got) == 0 {
				got = nil
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("bindings (-want +got):\n%s", diff)
			}
		})
	}
}

func TestTooManyBindingsAreAnErrorOnlyWithRanges(t *testing.T) {
	c := Container{Name: "app", TaskARN: "arn", SinglePorts: PortSet{}}
	for port := range uint16(101) {
		c.SinglePorts[port] = struct{}{}
		c.Bindings = append(c.Bindings, PortMapping{ContainerPort: port, HostPort: port, BindIP: "0.0.0.0"})
	}
	if got, err := c.ReportedBindings(false, false); err != nil || len(got) != 101 {
		t.Errorf("without a range: %d bindings, %v", len(got), err)
	}
	c.HasPortRange = true
	got, err := c.ReportedBindings(false, false)
	if len(got) != 100 {
		t.Errorf("with a range: %d bindings", len(got))
	}
	const want = "no. of network bindings 101 is more than the maximum supported no. 100, container: app task: arn"
	if err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("error %v, want %s", err, want)
	}
	// What is left out counts for the limit.
	c.Bindings[0].BindIP, c.Bindings[1].BindIP = "::", "::"
	if got, err := c.ReportedBindings(true, false); len(got) != 99 || err == nil {
		t.Errorf("%d bindings, %v", len(got), err)
	}
}

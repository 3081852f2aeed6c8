package fault

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"slices"
	"strings"
)

// The bodies of requests. Their names and the types of their fields show in the texts of decoding errors, which are part of
// the contract. Members are pointers so that a missing one can be told from a zero.

// NetworkBlackholePortRequest asks to drop the packets to a port.
type NetworkBlackholePortRequest struct {
	Port            *uint16
	Protocol        *string
	TrafficType     *string
	SourcesToFilter []*string
}

// NetworkLatencyRequest asks to delay packets.
type NetworkLatencyRequest struct {
	DelayMilliseconds  *uint64
	JitterMilliseconds *uint64
	Sources            []*string
	SourcesToFilter    []*string
	FlowsPercent       *int
}

// NetworkPacketLossRequest asks to lose packets.
type NetworkPacketLossRequest struct {
	LossPercent     *uint64
	Sources         []*string
	SourcesToFilter []*string
	FlowsPercent    *int
}

// decode reads the first JSON value of a body.
func decode(body []byte, into any) error {
	err := json.NewDecoder(bytes.NewReader(body)).Decode(into)
	if errors.Is(err, io.EOF) {
		return errors.New("required request body is missing")
	}
	return err
}

func missing(field string) error { return fmt.Errorf("required parameter %s is missing", field) }

func invalid(value any, field string) error {
	return fmt.Errorf("invalid value %v for parameter %s", value, field)
}

func readBlackhole(body []byte) (blackhole, error) {
	var r NetworkBlackholePortRequest
	if err := decode(body, &r); err != nil {
		return blackhole{}, err
	}
	empty := func(s *string) bool { return s == nil || *s == "" }
	switch {
	case r.Port == nil:
		return blackhole{}, missing("Port")
	case empty(r.Protocol):
		return blackhole{}, missing("Protocol")
	case empty(r.TrafficType):
		return blackhole{}, missing("TrafficType")
	case *r.Protocol != "tcp" && *r.Protocol != "udp":
		return blackhole{}, invalid(*r.Protocol, "Protocol")
	case *r.TrafficType != ingress && *r.TrafficType != egress:
		return blackhole{}, invalid(*r.TrafficType, "TrafficType")
	}
	spared, err := addresses(r.SourcesToFilter, "SourcesToFilter")
	if err != nil {
		return blackhole{}, err
	}
	b := blackhole{Port: *r.Port, Protocol: *r.Protocol, Traffic: *r.TrafficType, spared: spared}
	if b.Traffic == egress && b.Port == taskServerPort && !slices.Contains(spared, taskServerAddress) {
		b.spared = append(b.spared, taskServerAddress) // the task can still ask for its metadata, and for the end of the fault
	}
	return b, nil
}

func readLatency(body []byte) (impairment, error) {
	var r NetworkLatencyRequest
	if err := decode(body, &r); err != nil {
		return impairment{}, err
	}
	switch {
	case r.DelayMilliseconds == nil:
		return impairment{}, missing("DelayMilliseconds")
	case r.JitterMilliseconds == nil:
		return impairment{}, missing("JitterMilliseconds")
	case *r.DelayMilliseconds == 0 && *r.JitterMilliseconds == 0:
		return impairment{}, errors.New("required either DelayMilliseconds or JitterMilliseconds to be non-zero")
	}
	effect := fmt.Sprintf("delay %dms %dms", *r.DelayMilliseconds, *r.JitterMilliseconds)
	return readImpairment(effect, r.Sources, r.SourcesToFilter, r.FlowsPercent)
}

func readPacketLoss(body []byte) (impairment, error) {
	var r NetworkPacketLossRequest
	if err := decode(body, &r); err != nil {
		return impairment{}, err
	}
	switch {
	case r.LossPercent == nil:
		return impairment{}, missing("LossPercent")
	case *r.LossPercent < 1 || *r.LossPercent > 100:
		return impairment{}, invalid(*r.LossPercent, "LossPercent")
	}
	return readImpairment(fmt.Sprintf("loss %d%%", *r.LossPercent), r.Sources, r.SourcesToFilter, r.FlowsPercent)
}

// readImpairment checks what latency and packet loss have in common.
func readImpairment(effect string, sources, spared []*string, flows *int) (i impairment, err error) {
	i = impairment{effect: effect, flowsPercent: 100}
	if len(sources) == 0 {
		return i, missing("Sources")
	}
	if i.sources, err = addresses(sources, "Sources"); err != nil {
		return i, err
	}
	if i.spared, err = addresses(spared, "SourcesToFilter"); err != nil {
		return i, err
	}
	if flows != nil {
		if *flows < 1 || *flows > 100 {
			return i, invalid(*flows, "flowsPercent") // the spelling is the contract's
		}
		i.flowsPercent = *flows
	}
	return i, nil
}

// addresses checks that a list holds addresses and networks only; they go into commands as they are.
func addresses(list []*string, field string) ([]string, error) {
	var all []string
	for _, item := range list {
		if item == nil {
			return nil, invalid("", field)
		}
		if !isAddress(*item) {
			return nil, invalid(*item, field)
		}
		all = append(all, *item)
	}
	return all, nil
}

func isAddress(s string) bool {
	if address, err := netip.ParseAddr(s); err == nil {
		return address.Zone() == ""
	}
	_, err := netip.ParsePrefix(s)
	return err == nil
}

func isIPv6(address string) bool { return strings.Contains(address, ":") }

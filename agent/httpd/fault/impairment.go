package fault

import (
	"encoding/json"
	"fmt"
	"strings"
)

// impairment delays or loses the packets to some destinations, for a share of the flows. On each interface it is a tree of
// queueing disciplines; filters lead the flows to its leaves:
//
//	1: prio ── 1:3 ─ all other traffic, untouched
//	   └─ 1:1 ─ 10: prio, traffic to the sources, by hash of the flow
//	            └─ 10:1 … 10:a ─ 100: … 109: prio, once more by hash
//	                             └─ 100:1 … 109:a ─ 200: … 299: netem, as many as percent of flows are impaired
type impairment struct {
	effect       string // as netem takes it: "delay 100ms 20ms", "loss 6%"
	sources      []string
	spared       []string // destinations that are left alone although they are in sources
	flowsPercent int
}

const (
	priomap  = "priomap 2 2 2 2 2 2 2 2 2 2 2 2 2 2 2 2"
	flowHash = "flow hash keys src,dst,proto,proto-src,proto-dst divisor 10 baseclass"
)

// start are the lines of a tc batch that impair one interface.
func (i impairment) start(device string) []string {
	qdisc := "qdisc add dev " + device + " "
	filter := "filter add dev " + device + " protocol all parent "
	lines := []string{
		qdisc + "root handle 1: prio " + priomap,
		qdisc + "parent 1:1 handle 10: prio bands 10 " + priomap,
	}
	for n := range 10 {
		lines = append(lines, fmt.Sprintf("%sparent 10:%x handle %d: prio bands 10 %s", qdisc, n+1, 100+n, priomap))
	}
	for n := range i.flowsPercent {
		lines = append(lines, fmt.Sprintf("%sparent %d:%x handle %d: netem %s", qdisc, 100+n/10, n%10+1, 200+n, i.effect))
	}
	for _, address := range i.spared {
		lines = append(lines, filter+"1:0 prio 1 u32 match "+match(address)+" flowid 1:3")
	}
	for _, address := range i.sources {
		lines = append(lines, filter+"1:0 prio 2 u32 match "+match(address)+" flowid 1:1")
	}
	lines = append(lines, filter+"10: handle 1 prio 2 "+flowHash+" 10:1")
	for n := range 10 {
		lines = append(lines, fmt.Sprintf("%s%d: handle %d prio 2 %s %d:1", filter, 100+n, n+1, flowHash, 100+n))
	}
	return lines
}

func match(address string) string {
	if isIPv6(address) {
		return "ip6 dst " + address
	}
	return "ip dst " + address
}

// stopImpairment are the lines that leave the interface as it was.
func stopImpairment(device string) []string {
	return []string{
		"qdisc del dev " + device + " parent 1:1 handle 10:",
		"qdisc del dev " + device + " root handle 1: prio",
	}
}

// checkImpairment asks for the first leaf, which every impairment has.
func checkImpairment(device string) []string {
	return strings.Fields("tc -j q show dev " + device + " parent 100:1")
}

// readCheck says what the answer to the check stands for.
func readCheck(output []byte) (latency, loss bool, err error) {
	var disciplines []struct {
		Kind    string                     `json:"kind"`
		Options map[string]json.RawMessage `json:"options"`
	}
	if err := json.Unmarshal(output, &disciplines); err != nil {
		return false, false, fmt.Errorf("read the answer of tc: %w", err)
	}
	for _, d := range disciplines {
		if d.Kind != "netem" || d.Options == nil {
			continue
		}
		if _, loses := d.Options["loss-random"]; loses {
			loss = true
		} else {
			latency = true // a delay of 0 with jitter has no member for the delay
		}
	}
	return latency && !loss, loss, nil
}

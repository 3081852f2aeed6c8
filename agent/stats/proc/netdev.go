package proc

import (
	"bytes"

	"github.com/aws/amazon-ecs-agent/agent/stats/dockerstats"
	"github.com/aws/amazon-ecs-agent/agent/stats/internal/kernelfile"
)

// Columns of net/dev after the interface's name.
const (
	rxBytes, rxPackets, rxErrors, rxDropped = 0, 1, 2, 3
	txBytes, txPackets, txErrors, txDropped = 8, 9, 10, 11
	columns                                 = 12 // those of interest
)

// parseNetDev reads the counters of the interfaces that keep wants into into, over what is there, in the file's order.
func parseNetDev(text []byte, keep func(name []byte) bool, into dockerstats.Networks) dockerstats.Networks {
	before := into
	into = into[:0]
	for line, rest, more := kernelfile.NextLine(text); more; line, rest, more = kernelfile.NextLine(rest) {
		colon := bytes.LastIndexByte(line, ':') // names of aliases hold one, too
		if colon < 0 {
			continue // the headings
		}
		name := bytes.TrimSpace(line[:colon])
		if len(name) == 0 || !keep(name) {
			continue
		}
		counters, ok := parseCounters(line[colon+1:])
		if !ok {
			continue
		}
		into = append(into, dockerstats.Interface{Name: sameName(before, len(into), name), Network: counters})
	}
	return into
}

// sameName gives the name the list had at that place, if it is the same, to make no new one.
func sameName(list dockerstats.Networks, i int, name []byte) string {
	if i < len(list) && list[i].Name == string(name) {
		return list[i].Name
	}
	return string(name)
}

func parseCounters(text []byte) (dockerstats.Network, bool) {
	var value [columns]uint64
	for i := range value {
		var field []byte
		var ok bool
		field, text, _ = kernelfile.NextField(text)
		if value[i], ok = kernelfile.Uint(field); !ok {
			return dockerstats.Network{}, false
		}
	}
	return dockerstats.Network{
		RxBytes: value[rxBytes], RxPackets: value[rxPackets], RxErrors: value[rxErrors], RxDropped: value[rxDropped],
		TxBytes: value[txBytes], TxPackets: value[txPackets], TxErrors: value[txErrors], TxDropped: value[txDropped],
	}, true
}

// DockerInterface reports whether an interface of a container is one that Docker made: those are named eth0, eth1, …
func DockerInterface(name []byte) bool {
	digits, ok := bytes.CutPrefix(name, []byte("eth"))
	if !ok {
		return false
	}
	_, ok = kernelfile.Uint(digits)
	return ok
}

package fault

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync"
)

// kernel is a little model of what iptables and tc change. It notes every command, those of a tc batch one by one.
type kernel struct {
	// fail is asked before each command; the error is what becomes of it.
	fail func(command string) error

	mu       sync.Mutex
	commands []string
	chains   map[string][]string // "iptables egress-tcp-80" → rules
	qdiscs   map[string][]string // device → "parent handle kind options"
}

func newKernel() *kernel {
	return &kernel{chains: map[string][]string{
		"iptables INPUT": nil, "iptables OUTPUT": nil, "ip6tables INPUT": nil, "ip6tables OUTPUT": nil,
	}, qdiscs: map[string][]string{}}
}

func (k *kernel) run(ctx context.Context, args []string, input string) ([]byte, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	prefix := ""
	if args[0] == "nsenter" {
		prefix, args = args[0]+" "+args[1]+" ", args[2:]
	}
	force := slices.Contains(args, "-force")
	lines := []string{strings.Join(args, " ")}
	if slices.Contains(args, "-batch") {
		lines = strings.Split(strings.TrimSpace(input), "\n")
		for i := range lines {
			lines[i] = "tc " + lines[i]
		}
	}
	var output []byte
	var first error
	for _, line := range lines {
		k.commands = append(k.commands, prefix+line)
		var err error
		if k.fail != nil {
			err = k.fail(prefix + line)
		}
		if err == nil {
			err = ctx.Err()
		}
		if err == nil {
			output, err = k.do(strings.Fields(line))
		}
		if err != nil && first == nil {
			first = err
		}
		if err != nil && !force {
			break
		}
	}
	return output, first
}

func exit(code int, text string) error { return &commandError{[]string{"test"}, code, text} }

func (k *kernel) do(args []string) ([]byte, error) {
	if args[0] == "tc" {
		return k.tc(args[1:])
	}
	op, chain, rule := args[3], args[0]+" "+args[4], strings.Join(args[5:], " ")
	rules, has := k.chains[chain]
	i := slices.Index(rules, rule)
	if op != "-N" && !has || (op == "-C" || op == "-D") && i < 0 {
		return nil, exit(1, "iptables: Bad rule (does a matching rule exist in that chain?).")
	}
	switch op {
	case "-C":
	case "-N":
		if has {
			return nil, exit(1, "iptables: Chain already exists.")
		}
		k.chains[chain] = nil
	case "-A":
		// The check names no destination, for the destination is all.
		for _, all := range []string{" -d 0.0.0.0/0", " -d ::/0"} {
			rule = strings.Replace(rule, all, "", 1)
		}
		k.chains[chain] = append(rules, rule)
	case "-I":
		k.chains[chain] = append([]string{rule}, rules...)
	case "-D":
		k.chains[chain] = slices.Delete(rules, i, i+1)
	case "-F":
		k.chains[chain] = nil
	case "-X":
		delete(k.chains, chain)
	default:
		return nil, exit(2, "bad argument "+op)
	}
	return nil, nil
}

func (k *kernel) tc(args []string) ([]byte, error) {
	switch strings.Join(args[:2], " ") {
	case "-j q":
		device, parent := args[4], args[6]
		list := []map[string]any{}
		for _, q := range k.qdiscs[device] {
			f := strings.Fields(q)
			if f[0] != parent || f[2] != "netem" {
				continue
			}
			options := map[string]any{"limit": 1000}
			if f[3] == "loss" {
				options["loss-random"] = map[string]any{"loss": 0.1}
			}
			list = append(list, map[string]any{"kind": "netem", "options": options})
		}
		return json.Marshal(list)
	case "qdisc add":
		device, parent, handle, rest := args[3], "root", args[6], args[7:]
		if args[4] != "root" {
			parent, handle, rest = args[5], args[7], args[8:]
		}
		if slices.ContainsFunc(k.qdiscs[device], func(q string) bool { return strings.HasPrefix(q, parent+" ") }) {
			return nil, exit(1, "RTNETLINK answers: File exists\nCommand failed -:1")
		}
		k.qdiscs[device] = append(k.qdiscs[device], fmt.Sprint(parent, " ", handle, " ", strings.Join(rest, " ")))
	case "qdisc del":
		device := args[3]
		if len(k.qdiscs[device]) == 0 {
			return nil, exit(2, "Error: Invalid handle.")
		}
		if args[4] == "root" {
			delete(k.qdiscs, device)
		} else {
			k.qdiscs[device] = k.qdiscs[device][:1]
		}
	case "filter add":
	default:
		return nil, exit(1, "unknown")
	}
	return nil, nil
}

// clean reports whether nothing is left of any fault.
func (k *kernel) clean() bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	rules := 0
	for _, r := range k.chains {
		rules += len(r)
	}
	return len(k.chains) == 4 && rules == 0 && len(k.qdiscs) == 0
}

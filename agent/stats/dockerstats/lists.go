package dockerstats

import (
	"bytes"
	"encoding/json"
	"slices"
	"strconv"
	"strings"
)

// Values and Networks are JSON objects kept as lists in the order of their names: a list can be filled again and again
// without garbage, which a map cannot.

// Values are named numbers.
type Values []Value

// Value is one of them.
type Value struct {
	Name  string
	Value uint64
}

// Get returns the value of that name.
func (v Values) Get(name string) (uint64, bool) {
	i, found := slices.BinarySearchFunc(v, name, func(e Value, name string) int { return strings.Compare(e.Name, name) })
	if !found {
		return 0, false
	}
	return v[i].Value, true
}

// MarshalJSON writes an object.
func (v Values) MarshalJSON() ([]byte, error) {
	out := make([]byte, 0, 2+32*len(v))
	out = append(out, '{')
	for i, e := range v {
		if i > 0 {
			out = append(out, ',')
		}
		out = append(appendName(out, e.Name), ':')
		out = strconv.AppendUint(out, e.Value, 10)
	}
	return append(out, '}'), nil
}

// appendName appends a JSON string; nearly all names are plain words.
func appendName(out []byte, name string) []byte {
	for i := range len(name) {
		if c := name[i]; c < ' ' || c >= 0x7f || c == '"' || c == '\\' || c == '<' || c == '>' || c == '&' {
			text, _ := json.Marshal(name)
			return append(out, text...)
		}
	}
	out = append(out, '"')
	out = append(out, name...)
	return append(out, '"')
}

// UnmarshalJSON reads an object; null is no values.
func (v *Values) UnmarshalJSON(data []byte) error {
	var members map[string]uint64
	if err := json.Unmarshal(data, &members); err != nil {
		return err
	}
	*v = nil
	for name, value := range members {
		*v = append(*v, Value{name, value})
	}
	slices.SortFunc(*v, func(a, b Value) int { return strings.Compare(a.Name, b.Name) })
	return nil
}

// Networks are the counters of interfaces by name.
type Networks []Interface

// Interface is one of them.
type Interface struct {
	Name string
	Network
}

// Get returns the counters of the interface with that name; nil when there is none.
func (n Networks) Get(name string) *Network {
	for i := range n {
		if n[i].Name == name {
			return &n[i].Network
		}
	}
	return nil
}

// Total sums all interfaces.
func (n Networks) Total() Network {
	var sum Network
	for i := range n {
		sum.Add(&n[i].Network)
	}
	return sum
}

// MarshalJSON writes an object.
func (n Networks) MarshalJSON() ([]byte, error) {
	var out bytes.Buffer
	out.WriteByte('{')
	for i := range n {
		if i > 0 {
			out.WriteByte(',')
		}
		out.Write(append(appendName(nil, n[i].Name), ':'))
		text, err := json.Marshal(&n[i].Network)
		if err != nil {
			return nil, err
		}
		out.Write(text)
	}
	out.WriteByte('}')
	return out.Bytes(), nil
}

// UnmarshalJSON reads an object; null is no interfaces.
func (n *Networks) UnmarshalJSON(data []byte) error {
	var members map[string]Network
	if err := json.Unmarshal(data, &members); err != nil {
		return err
	}
	*n = nil
	for name, counters := range members {
		*n = append(*n, Interface{name, counters})
	}
	n.sort()
	return nil
}

func (n Networks) sort() {
	slices.SortFunc(n, func(a, b Interface) int { return strings.Compare(a.Name, b.Name) })
}

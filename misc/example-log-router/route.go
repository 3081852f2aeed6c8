package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net"
	"regexp"
	"strings"
	"sync"
	"time"
)

// dialLimit bounds the wait for the other side of an output, and for it to take a line.
const dialLimit = 10 * time.Second

// router sends records through filters to outputs.
type router struct {
	stages []stage
}

// stage does its part for a record and reports whether the record goes on.
type stage func(tag string, record map[string]any) bool

func newRouter(sections []section, stdout io.Writer) (*router, error) {
	r := &router{}
	add := func(s section, next stage) {
		r.stages = append(r.stages, func(tag string, record map[string]any) bool { return !s.matches(tag) || next(tag, record) })
	}
	for _, s := range sections {
		kind := s.name + " " + s.values["name"]
		switch kind {
		case "FILTER grep":
			next, err := grep(s)
			if err != nil {
				return nil, err
			}
			add(s, next)
		case "FILTER record_modifier":
			add(s, func(_ string, record map[string]any) bool {
				for _, pair := range s.records {
					record[pair[0]] = pair[1]
				}
				return true
			})
		case "OUTPUT stdout":
			add(s, writeTo(stdout))
		case "OUTPUT tcp":
			add(s, send(s))
		case "OUTPUT null", "INPUT forward", "INPUT tcp":
		default:
			return nil, fmt.Errorf("%s: there is no such plugin here", kind)
		}
	}
	return r, nil
}

func (r *router) route(tag string, record map[string]any) {
	for _, next := range r.stages {
		if !next(tag, record) {
			return
		}
	}
}

// grep lets records through that match "Regex <key> <expression>", or those that do not match "Exclude …".
func grep(s section) (stage, error) {
	rule, keep := s.values["regex"], true
	if rule == "" {
		rule, keep = s.values["exclude"], false
	}
	key, expression, _ := strings.Cut(rule, " ")
	re, err := regexp.Compile(expression)
	if err != nil {
		return nil, err
	}
	return func(_ string, record map[string]any) bool {
		text, _ := record[key].(string)
		return re.MatchString(text) == keep
	}, nil
}

func line(tag string, record map[string]any) []byte {
	text, err := json.Marshal(map[string]any{"tag": tag, "record": record})
	if err != nil {
		text = []byte(`{"error":"a record that is no JSON"}`)
	}
	return append(text, '\n')
}

func writeTo(out io.Writer) stage {
	var mu sync.Mutex
	return func(tag string, record map[string]any) bool {
		mu.Lock()
		defer mu.Unlock()
		_, _ = out.Write(line(tag, record))
		return true
	}
}

// send sends each record over a connection of its own to Host and Port; a Host that is a path is a unix socket. A Token
// comes first, on a line of its own.
func send(s section) stage {
	network, address := "tcp", net.JoinHostPort(s.values["host"], s.values["port"])
	if strings.HasPrefix(s.values["host"], "/") {
		network, address = "unix", s.values["host"]
	}
	return func(tag string, record map[string]any) bool {
		conn, err := net.DialTimeout(network, address, dialLimit)
		if err != nil {
			fmt.Println("example-log-router: output:", err)
			return true
		}
		defer conn.Close()
		_ = conn.SetDeadline(time.Now().Add(dialLimit))
		text := line(tag, record)
		if token := s.values["token"]; token != "" {
			text = append([]byte("token "+token+"\n"), text...)
		}
		_, _ = conn.Write(text)
		return true
	}
}

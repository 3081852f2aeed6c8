package faults

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
)

// ServeHTTP is /_local/faults: POST adds a rule, a list of rules or {"rules": […]}; GET lists those in force; DELETE
// removes them.
func (s *Set) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch r.Method {
	case http.MethodGet:
		reply(w, 200, map[string]any{"rules": s.Rules()})
	case http.MethodDelete:
		s.Clear()
		reply(w, 200, map[string]any{"rules": s.Rules()})
	case http.MethodPost:
		body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, 2*maxFrame))
		if err != nil {
			reply(w, 400, map[string]string{"error": err.Error()})
			return
		}
		rules, err := parse(body)
		if err != nil {
			reply(w, 400, map[string]string{"error": err.Error()})
			return
		}
		hit := 0
		for i, rule := range rules {
			n, err := s.Add(rule)
			if err != nil {
				reply(w, 400, map[string]string{"error": fmt.Sprintf("rule %d: %v", i+1, err)})
				return
			}
			hit += n
		}
		reply(w, 200, map[string]any{"added": len(rules), "hit": hit})
	default:
		reply(w, 405, map[string]string{"error": "use GET, POST or DELETE"})
	}
}

func parse(body []byte) ([]Rule, error) {
	strict := func(into any) error {
		d := json.NewDecoder(bytes.NewReader(body))
		d.DisallowUnknownFields()
		return d.Decode(into)
	}
	if trimmed := bytes.TrimSpace(body); len(trimmed) > 0 && trimmed[0] == '[' {
		var list []Rule
		err := strict(&list)
		return list, err
	}
	var many struct {
		Rules []Rule `json:"rules"`
	}
	if err := strict(&many); err == nil && many.Rules != nil {
		return many.Rules, nil
	}
	var one Rule
	err := strict(&one)
	return []Rule{one}, err
}

func reply(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	e := json.NewEncoder(w)
	e.SetIndent("", " ")
	e.Encode(body)
}

// Package faults spoils answers and connections on request, so that tests can see how an agent copes. It also keeps
// every state change agents submitted. Nothing of it exists unless local-ecs runs with --enable-faults.
package faults

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"path"
	"strings"
	"sync"
	"time"

	"github.com/aws/amazon-ecs-agent/misc/local-ecs/internal/ecs"
)

// Rule is one fault. Rules are tried in the order they came; the first that matches acts. See README.md for examples.
type Rule struct {
	// Operation is the name of an API operation, with * as wildcard; "ACS", "TCS" or "IMDS" for those.
	Operation string `json:"operation"`
	Contains  string `json:"contains,omitempty"` // only requests whose body contains this
	Instance  string `json:"instance,omitempty"` // ACS, TCS: only this container instance id
	Skip      int    `json:"skip,omitempty"`     // let this many matching requests pass first
	Times     int    `json:"times,omitempty"`    // act so often; 0: until removed

	// Action, API: throttle, error, 500, drop, delay, silence. ACS: refuse, mute, drop, frame, message. TCS: drop.
	// IMDS: set.
	Action    string `json:"action"`
	After     bool   `json:"after,omitempty"`     // API: carry out the operation, then spoil the answer
	DelayMs   int    `json:"delayMs,omitempty"`   // delay
	Status    int    `json:"status,omitempty"`    // error, refuse, set
	ErrorType string `json:"errorType,omitempty"` // error, refuse
	ErrorText string `json:"errorText,omitempty"` // error, refuse

	MessageType string          `json:"messageType,omitempty"` // mute: this type only; message: the type to send
	Message     json.RawMessage `json:"message,omitempty"`     // message
	Code        int             `json:"code,omitempty"`        // drop: close code, 0 cuts the TCP connection
	Text        string          `json:"text,omitempty"`        // frame: content; drop: close text
	Base64      string          `json:"base64,omitempty"`      // frame: content
	Size        int             `json:"size,omitempty"`        // frame: filled up with x to this many bytes
	Binary      bool            `json:"binary,omitempty"`      // frame
	Path        string          `json:"path,omitempty"`        // set: below /latest/meta-data/, or user-data
	Value       string          `json:"value,omitempty"`       // set
}

// Actor carries out the faults that happen at once.
type Actor interface {
	DropACS(instanceID string, code int, text string) int
	SendACS(instanceID string, binary bool, frame []byte) int
	DropTCS(instanceID string) int
	SetIMDS(path string, status int, value string)
}

// maxFrame bounds a frame made by a rule.
const maxFrame = 64 << 20

// Set holds the rules in force.
type Set struct {
	Actor Actor

	mu    sync.Mutex
	rules []*Rule
}

func (r *Rule) check() error {
	actions := []string{"throttle", "error", "500", "drop", "delay", "silence"}
	switch r.Operation {
	case "":
		return fmt.Errorf("operation is missing")
	case "ACS":
		actions = []string{"refuse", "mute", "drop", "frame", "message"}
	case "TCS":
		actions = []string{"drop"}
	case "IMDS":
		actions = []string{"set"}
	}
	for _, a := range actions {
		if r.Action == a {
			return nil
		}
	}
	return fmt.Errorf("action %q is not possible for operation %q; use one of %s", r.Action, r.Operation, strings.Join(actions, ", "))
}

// Add puts a rule in force, or carries it out at once and returns how many connections it hit.
func (s *Set) Add(r Rule) (hit int, err error) {
	if err := r.check(); err != nil {
		return 0, err
	}
	switch r.Operation + " " + r.Action {
	case "ACS drop":
		return s.Actor.DropACS(r.Instance, r.Code, r.Text), nil
	case "TCS drop":
		return s.Actor.DropTCS(r.Instance), nil
	case "ACS frame":
		frame, err := r.frame()
		if err != nil {
			return 0, err
		}
		return s.Actor.SendACS(r.Instance, r.Binary, frame), nil
	case "ACS message":
		if r.MessageType == "" {
			return 0, fmt.Errorf("messageType is missing")
		}
		if r.Message == nil {
			r.Message = json.RawMessage("{}")
		}
		frame, err := json.Marshal(map[string]any{"type": r.MessageType, "message": r.Message})
		if err != nil {
			return 0, fmt.Errorf("message: %w", err)
		}
		return s.Actor.SendACS(r.Instance, false, frame), nil
	case "IMDS set":
		s.Actor.SetIMDS(r.Path, r.Status, r.Value)
		return 1, nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.rules = append(s.rules, &r)
	return 0, nil
}

func (r *Rule) frame() ([]byte, error) {
	data := []byte(r.Text)
	if r.Base64 != "" {
		var err error
		if data, err = base64.StdEncoding.DecodeString(r.Base64); err != nil {
			return nil, fmt.Errorf("base64: %w", err)
		}
	}
	if r.Size > maxFrame {
		return nil, fmt.Errorf("size is more than %d", maxFrame)
	}
	for len(data) < r.Size {
		data = append(data, strings.Repeat("x", min(4096, r.Size-len(data)))...)
	}
	return data, nil
}

// Clear removes all rules.
func (s *Set) Clear() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.rules = nil
}

// Rules returns a copy of the rules in force.
func (s *Set) Rules() []Rule {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := []Rule{}
	for _, r := range s.rules {
		out = append(out, *r)
	}
	return out
}

// take finds the rule for something that happens now, and uses it up by one.
func (s *Set) take(match func(*Rule) bool) *Rule {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i, r := range s.rules {
		if !match(r) {
			continue
		}
		if r.Skip > 0 {
			r.Skip--
			continue
		}
		used := *r
		if r.Times > 0 {
			if r.Times--; r.Times == 0 {
				s.rules = append(s.rules[:i:i], s.rules[i+1:]...)
			}
		}
		return &used
	}
	return nil
}

// RefuseConnect implements the ACS hub's wish to know whether a connection is to be refused.
func (s *Set) RefuseConnect(instanceID string) (status int, body any, refuse bool) {
	r := s.take(func(r *Rule) bool {
		return r.Operation == "ACS" && r.Action == "refuse" && (r.Instance == "" || r.Instance == instanceID)
	})
	if r == nil {
		return 0, nil, false
	}
	kind, text := orElse(r.ErrorType, "ServerException"), orElse(r.ErrorText, "refused by a fault rule")
	status = r.Status
	if status == 0 {
		status = http.StatusBadRequest
	}
	return status, map[string]string{kind: text}, true
}

// Muted tells the ACS hub whether to swallow a message.
func (s *Set) Muted(instanceID, messageType string) bool {
	return s.take(func(r *Rule) bool {
		return r.Operation == "ACS" && r.Action == "mute" && (r.Instance == "" || r.Instance == instanceID) &&
			(r.MessageType == "" || r.MessageType == messageType)
	}) != nil
}

func orElse(s, d string) string {
	if s == "" {
		return d
	}
	return s
}

// Wrap applies the rules for API operations around next, which carries out the operation.
func (s *Set) Wrap(operation string, body []byte, w http.ResponseWriter, r *http.Request, next http.HandlerFunc) {
	rule := s.take(func(rule *Rule) bool {
		ok, err := path.Match(rule.Operation, operation)
		return err == nil && ok && strings.Contains(string(body), rule.Contains)
	})
	if rule == nil {
		next(w, r)
		return
	}
	if rule.After {
		next(discard{http.Header{}}, r)
	}
	switch rule.Action {
	case "delay":
		if wait(r, time.Duration(rule.DelayMs)*time.Millisecond) && !rule.After {
			next(w, r)
			return
		}
		writeError(w, 500, "ServerException", "delayed by a fault rule")
	case "throttle":
		writeError(w, 400, "ThrottlingException", "Rate exceeded")
	case "error":
		status := rule.Status
		if status == 0 {
			status = 400
		}
		writeError(w, status, orElse(rule.ErrorType, "ServerException"), orElse(rule.ErrorText, "failed by a fault rule"))
	case "500":
		writeError(w, 500, "ServerException", "failed by a fault rule")
	case "drop":
		panic(http.ErrAbortHandler) // net/http cuts the connection
	case "silence":
		<-r.Context().Done()
	}
}

// wait returns false when the caller went away first.
func wait(r *http.Request, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-r.Context().Done():
		return false
	}
}

func writeError(w http.ResponseWriter, status int, kind, text string) {
	w.Header().Set("Content-Type", "application/x-amz-json-1.1")
	w.WriteHeader(status)
	json.NewEncoder(w).Encode(map[string]string{"__type": kind, "message": text})
}

// discard is a response nobody gets.
type discard struct{ header http.Header }

func (d discard) Header() http.Header         { return d.header }
func (d discard) Write(b []byte) (int, error) { return len(b), nil }
func (d discard) WriteHeader(int)             {}

// Submission is a state change an agent submitted.
type Submission struct {
	Number    int             `json:"number"` // counts from 1, never reused
	At        ecs.Time        `json:"at"`
	Operation string          `json:"operation"`
	Outcome   string          `json:"outcome"` // applied, repeated, regression, unknown task, or an error
	Body      json.RawMessage `json:"body"`
}

// maxSubmissions bounds the memory of Submissions.
const maxSubmissions = 50000

// Submissions remembers the newest submissions in the order they came.
type Submissions struct {
	mu    sync.Mutex
	count int
	kept  []Submission
}

// Add remembers one.
func (s *Submissions) Add(at time.Time, operation, outcome string, body []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.count++
	if len(s.kept) == maxSubmissions {
		s.kept = append(s.kept[:0], s.kept[maxSubmissions/10:]...)
	}
	s.kept = append(s.kept, Submission{s.count, ecs.At(at), operation, outcome, append(json.RawMessage(nil), body...)})
}

// List returns those whose body contains text.
func (s *Submissions) List(text string) []Submission {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := []Submission{}
	for _, x := range s.kept {
		if strings.Contains(string(x.Body), text) {
			out = append(out, x)
		}
	}
	return out
}

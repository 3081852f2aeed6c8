// Package credentials holds the temporary credentials of task roles and execution roles, in memory only.
package credentials

import (
	"maps"
	"sync"
)

// RoleType says what a role is for (ACS roleType).
type RoleType string

// Role types of ACS.
const (
	Application RoleType = "TaskApplication"
	Execution   RoleType = "TaskExecution"
)

// Credentials of one IAM role of one task. Never written to disk or logs: String shows the role only.
type Credentials struct {
	ID              string // credentials id, the last part of the endpoint's address
	TaskARN         string
	RoleARN         string
	RoleType        RoleType
	AccessKeyID     string
	SecretAccessKey string
	SessionToken    string
	Expiration      string // as received; echoed to containers and in acks
}

// String names the role and leaves the secrets out.
func (c Credentials) String() string {
	return "credentials " + Redact(c.ID) + " of " + c.RoleARN
}

// GoString keeps %#v from printing secrets.
func (c Credentials) GoString() string { return c.String() }

// Redact shortens a credentials id to what may be logged: its first 8 characters.
func Redact(id string) string {
	if len(id) <= 8 {
		return "REDACTED"
	}
	return id[:8] + "-REDACTED"
}

// Store keeps credentials by their id. The zero value is ready to use.
type Store struct {
	mu   sync.RWMutex
	byID map[string]*Credentials // nil value: known from a restored task, not received yet
}

// Set stores credentials under their id, replacing older ones.
func (s *Store) Set(c Credentials) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.byID == nil {
		s.byID = map[string]*Credentials{}
	}
	s.byID[c.ID] = &c
}

// Expect notes an id that a restored task uses and whose credentials ACS has yet to send.
func (s *Store) Expect(id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.byID == nil {
		s.byID = map[string]*Credentials{}
	}
	if _, known := s.byID[id]; !known && id != "" {
		s.byID[id] = nil
	}
}

// Get returns the credentials for id. known tells an id that is expected (the endpoint answers 503) from one that was
// never heard of (400); the pointer is nil when there are no credentials yet. The result must not be changed.
func (s *Store) Get(id string) (c *Credentials, known bool) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	c, known = s.byID[id]
	return c, known
}

// Remove forgets an id.
func (s *Store) Remove(id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.byID, id)
}

// RemoveRole forgets what is kept for a role of a task under id, and under other ids if ECS has sent credentials with those,
// too.
func (s *Store) RemoveRole(taskARN string, role RoleType, id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.byID, id)
	maps.DeleteFunc(s.byID, func(_ string, c *Credentials) bool { return c != nil && c.TaskARN == taskARN && c.RoleType == role })
}

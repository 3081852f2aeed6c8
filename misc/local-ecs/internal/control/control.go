// Package control holds what happens to tasks and container instances, whoever asks for it: an operator over the API,
// an agent's report, or the service scheduler. Everything works on a transaction of the state.
package control

import (
	"crypto/rand"
	"encoding/hex"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/aws/amazon-ecs-agent/misc/local-ecs/internal/ecs"
	"github.com/aws/amazon-ecs-agent/misc/local-ecs/internal/lab"
	"github.com/aws/amazon-ecs-agent/misc/local-ecs/internal/place"
	"github.com/aws/amazon-ecs-agent/misc/local-ecs/internal/state"
)

// Control knows the surroundings the rules need.
type Control struct {
	Names     ecs.Names
	Zone      string // availability zone of all instances
	Now       func() time.Time
	Connected func(instanceID string) bool // whether the instance's agent holds a control session
	// Lab is the network that tasks get interfaces in; nil: there is none.
	Lab func() (lab.Lab, error)
	// AttachLimit is how long an interface may take to be seen by the agent.
	AttachLimit time.Duration
}

// newID returns 32 random hex digits, the form of task and instance ids.
func newID() string {
	var b [16]byte
	rand.Read(b[:])
	return hex.EncodeToString(b[:])
}

// NewUUID returns a random UUID.
func NewUUID() string {
	var b [16]byte
	rand.Read(b[:])
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	s := hex.EncodeToString(b[:])
	return s[:8] + "-" + s[8:12] + "-" + s[12:16] + "-" + s[16:20] + "-" + s[20:]
}

func (c *Control) now() ecs.Time { return ecs.At(c.Now()) }

// Node returns an instance with what its live tasks leave of it.
func (c *Control) Node(tx *state.Tx, i *state.Instance) *place.Node {
	return place.NewNode(i, tx.TasksOn(i.ID), c.Connected(i.ID))
}

// nodes returns the ACTIVE instances of a cluster.
func (c *Control) nodes(tx *state.Tx, cluster string) []*place.Node {
	var out []*place.Node
	for _, i := range tx.Instances.Where(func(i *state.Instance) bool { return i.ClusterName == cluster && i.Status == ecs.Active }) {
		out = append(out, c.Node(tx, i))
	}
	return out
}

// Definition returns the definition with that ARN, nil when there is none. A task always has one: definitions are never
// removed.
func Definition(tx *state.Tx, arn string) *state.TaskDefinition {
	a, ok := ecs.ParseARN(arn)
	if !ok || a.Kind != "task-definition" {
		return nil
	}
	family, revision, _ := strings.Cut(a.Name, ":")
	n, err := strconv.Atoi(revision)
	if err != nil {
		return nil
	}
	return tx.TaskDefinitions.Get(state.DefinitionKey(family, n))
}

// Prune forgets what ended before the given time: stopped tasks, deregistered instances, deleted services.
func Prune(tx *state.Tx, before time.Time) {
	for _, t := range tx.Tasks.Where(func(t *state.Task) bool { return !t.Live() && t.StoppedAt.Before(before) }) {
		tx.Tasks.Delete(t.ID)
	}
	for _, i := range tx.Instances.Where(func(i *state.Instance) bool {
		return i.Status == ecs.Inactive && i.DeregisteredAt.Before(before)
	}) {
		tx.Instances.Delete(i.ID)
	}
	for _, s := range tx.Services.Where(func(s *state.Service) bool { return s.Status == ecs.Inactive }) {
		if len(tx.TasksOf(s.ClusterName, s.ServiceName)) == 0 && s.EndedAt.Before(before) {
			tx.Services.Delete(state.ServiceKey(s.ClusterName, s.ServiceName))
		}
	}
}

// mergeTags sets tags by key, later ones win.
func mergeTags(have, add []ecs.Tag) []ecs.Tag {
	out := slices.Clone(have)
	for _, t := range add {
		i := slices.IndexFunc(out, func(o ecs.Tag) bool { return o.Key == t.Key })
		if i < 0 {
			out = append(out, t)
		} else {
			out[i] = t
		}
	}
	return out
}

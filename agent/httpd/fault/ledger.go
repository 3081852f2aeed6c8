package fault

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"sync"

	"github.com/aws/amazon-ecs-agent/agent/logger"
	"github.com/aws/amazon-ecs-agent/agent/resource/rooted"
)

// ledgerFile holds the ledger in the data directory.
const ledgerFile = "network-faults.json"

// record is a fault of this agent. It is on disk before the first command, so that whatever happens to the agent, no fault
// stays behind its tasks and none stays half made.
type record struct {
	Namespace string
	// Tasks asked for the fault. It ends with the last of them.
	Tasks []string
	// Partial: the commands that make it were not all done.
	Partial bool `json:",omitempty"`
	// Blackhole is set for a black hole; otherwise the fault is on Devices.
	Blackhole *blackhole `json:",omitempty"`
	Devices   []string   `json:",omitempty"`
}

// key tells the faults of a namespace apart that may be there together.
func (r *record) key() string {
	if r.Blackhole != nil {
		return r.Namespace + " " + r.Blackhole.chain()
	}
	return r.Namespace + " impairment"
}

// ledger is the list of all faults.
type ledger struct {
	dir string // empty: in memory only

	mu      sync.Mutex
	records []record
}

// openLedger reads what a former run left. A ledger that cannot be read is begun anew: it must not keep the agent down.
func openLedger(dir string) *ledger {
	l := &ledger{dir: dir}
	if dir == "" {
		return l
	}
	text, err := os.ReadFile(filepath.Join(dir, ledgerFile))
	if err == nil {
		err = json.Unmarshal(text, &l.records)
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		logger.Error("Cannot read the list of network faults; faults of a former run are not ended with their tasks", logger.Err(err))
		l.records = nil
	}
	return l
}

// begin notes that a fault is about to be made.
func (l *ledger) begin(r record) error {
	r.Partial = true
	return l.change(func() bool {
		l.remove(r.key())
		l.records = append(l.records, r)
		return true
	})
}

// made notes that it is whole.
func (l *ledger) made(key string) error {
	return l.edit(key, func(r *record) bool {
		r.Partial = false
		return true
	})
}

// join notes another task that wants the fault.
func (l *ledger) join(key, task string) error {
	return l.edit(key, func(r *record) bool {
		if slices.Contains(r.Tasks, task) {
			return false
		}
		r.Tasks = append(slices.Clone(r.Tasks), task)
		return true
	})
}

// drop forgets a fault that has ended.
func (l *ledger) drop(key string) error {
	return l.change(func() bool { return l.remove(key) })
}

// all gives the present records.
func (l *ledger) all() []record {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.records)
}

func (l *ledger) find(key string) (record, bool) {
	for _, r := range l.all() {
		if r.key() == key {
			return r, true
		}
	}
	return record{}, false
}

func (l *ledger) edit(key string, edit func(*record) bool) error {
	return l.change(func() bool {
		i := slices.IndexFunc(l.records, func(r record) bool { return r.key() == key })
		return i >= 0 && edit(&l.records[i])
	})
}

func (l *ledger) remove(key string) (removed bool) {
	before := len(l.records)
	l.records = slices.DeleteFunc(l.records, func(r record) bool { return r.key() == key })
	return len(l.records) < before
}

// change saves the list if edit changes it.
func (l *ledger) change(edit func() bool) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !edit() || l.dir == "" {
		return nil
	}
	if err := l.save(); err != nil {
		return fmt.Errorf("save the list of network faults: %w", err)
	}
	return nil
}

func (l *ledger) save() error {
	text, err := json.Marshal(l.records)
	if err != nil {
		return err
	}
	dir, err := rooted.OpenExisting(l.dir)
	if err != nil {
		return err
	}
	defer dir.Close()
	return dir.Write(context.Background(), rooted.File{Name: ledgerFile, Temp: ".network-faults-", Mode: 0o600, Fill: func(f *os.File) error {
		_, err := f.Write(text)
		return err
	}})
}

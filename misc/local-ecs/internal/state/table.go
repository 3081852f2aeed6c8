package state

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
)

// Table is one kind of record inside a transaction: the store's rows with the transaction's changes on top.
type Table[T any] struct {
	bucket string
	rows   map[string]*T
	staged map[string]*T // nil value: deleted
}

// Get returns the record, nil when there is none. It must not be changed.
func (t *Table[T]) Get(key string) *T {
	if r, ok := t.staged[key]; ok {
		return r
	}
	return t.rows[key]
}

// Put adds or replaces a record.
func (t *Table[T]) Put(key string, r *T) {
	if t.staged == nil {
		t.staged = map[string]*T{}
	}
	t.staged[key] = r
}

// Delete removes a record.
func (t *Table[T]) Delete(key string) { t.Put(key, nil) }

// Keys returns all keys in order.
func (t *Table[T]) Keys() []string {
	keys := make([]string, 0, len(t.rows))
	for k := range t.rows {
		if _, changed := t.staged[k]; !changed {
			keys = append(keys, k)
		}
	}
	for k, r := range t.staged {
		if r != nil {
			keys = append(keys, k)
		}
	}
	slices.Sort(keys)
	return keys
}

// All returns the records in the order of their keys.
func (t *Table[T]) All() []*T {
	return t.Where(func(*T) bool { return true })
}

// Where returns the records that pass keep, in the order of their keys.
func (t *Table[T]) Where(keep func(*T) bool) []*T {
	found := map[string]*T{}
	for k, r := range t.rows {
		if _, changed := t.staged[k]; !changed && keep(r) {
			found[k] = r
		}
	}
	for k, r := range t.staged {
		if r != nil && keep(r) {
			found[k] = r
		}
	}
	out := make([]*T, 0, len(found))
	for _, k := range slices.Sorted(maps.Keys(found)) {
		out = append(out, found[k])
	}
	return out
}

// change is one write to the file; a nil value deletes.
type change struct {
	bucket, key string
	value       []byte
}

func (t *Table[T]) changes() ([]change, error) {
	var out []change
	for _, k := range slices.Sorted(maps.Keys(t.staged)) {
		r := t.staged[k]
		if r == nil {
			out = append(out, change{bucket: t.bucket, key: k})
			continue
		}
		b, err := json.Marshal(r)
		if err != nil {
			return nil, fmt.Errorf("encode %s %q: %w", t.bucket, k, err)
		}
		out = append(out, change{bucket: t.bucket, key: k, value: b})
	}
	return out, nil
}

func (t *Table[T]) apply() {
	for k, r := range t.staged {
		if r == nil {
			delete(t.rows, k)
		} else {
			t.rows[k] = r
		}
	}
}

package store

import (
	"errors"
	"fmt"
	"runtime/debug"
)

// errDamaged marks errors that say the file's content, not the disk, is the problem.
var errDamaged = errors.New("database is damaged")

// guard runs work on the database so that a damaged file cannot end the process: bbolt panics on pages that make no
// sense, and reading its memory map faults where the file became shorter or the disk has errors.
func guard(work func() error) (err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("%w: %v", errDamaged, p)
		}
	}()
	return work()
}

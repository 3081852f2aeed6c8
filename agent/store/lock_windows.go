package store

import (
	"os"
	"time"
)

// lock is left to bbolt: a file that another process has open cannot be renamed on Windows, so looking at it is safe.
func lock(*os.File, time.Duration) (bool, error) { return true, nil }

package logger

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// RolloverType says when a log file is renamed and a new one begun.
type RolloverType int

const (
	// RolloverSize renames a file that has reached a size to `<file>.<N>`, N counting up for ever.
	RolloverSize RolloverType = iota
	// RolloverHourly renames the file of a past hour to `<file>.<YYYY-MM-DD-HH>`, local time.
	RolloverHourly
	// RolloverNone lets the file grow.
	RolloverNone
)

const (
	bytesPerMB = 1_000_000
	// defaultMaxFileBytes is the size at which a file is rotated (ECS_LOG_MAX_FILE_SIZE_MB=5).
	defaultMaxFileBytes = 5 * bytesPerMB
	// defaultMaxRollCount is the number of rotated files kept (ECS_LOG_MAX_ROLL_COUNT).
	defaultMaxRollCount = 24

	hourPattern = "2006-01-02-15"
)

// Rotation says when files are rotated and how many rotated ones are kept. Nothing is compressed.
type Rotation struct {
	Type RolloverType
	// MaxBytes applies to RolloverSize; 0 or less means defaultMaxFileBytes.
	MaxBytes int64
	// MaxFiles is the number of rotated files kept; 0 or less keeps all.
	MaxFiles int
}

// Always is r for files that must not grow without bound: RolloverNone becomes RolloverHourly. The audit log uses it.
func (r Rotation) Always() Rotation {
	if r.Type == RolloverNone {
		r.Type = RolloverHourly
	}
	return r
}

// File is a log file that is appended to and rotated. Its directory is created when needed. Safe for concurrent use.
type File struct {
	path     string
	rotation Rotation

	mu   sync.Mutex
	file *os.File // nil until the first write and after a failure
	size int64
	hour string // local hour in which writing started
}

// NewFile describes the file at path; it is opened by the first Write.
func NewFile(path string, r Rotation) *File {
	if r.MaxBytes <= 0 {
		r.MaxBytes = defaultMaxFileBytes
	}
	return &File{path: path, rotation: r}
}

// Write appends p, which should be whole lines, after rotating if it is time to. When rotating fails, p is still appended
// to the old file and the error of the rotation returned: a directory that allows no renaming must not end logging.
func (f *File) Write(p []byte) (int, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := f.open(); err != nil {
		return 0, err
	}
	rotateErr := f.rotateIfDue()
	if err := f.open(); err != nil {
		return 0, errors.Join(rotateErr, err)
	}
	n, err := f.file.Write(p)
	f.size += int64(n)
	if err != nil {
		_ = f.file.Close()
		f.file = nil
	}
	return n, errors.Join(rotateErr, err)
}

// Close closes the file. A Write after it opens it again.
func (f *File) Close() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.file == nil {
		return nil
	}
	err := f.file.Close()
	f.file = nil
	return err
}

// open opens the file if it is not.
func (f *File) open() error {
	if f.file != nil {
		return nil
	}
	if err := os.MkdirAll(filepath.Dir(f.path), 0o755); err != nil {
		return err
	}
	file, err := os.OpenFile(f.path, os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o644)
	if err != nil {
		return err
	}
	info, err := file.Stat()
	if err != nil {
		_ = file.Close()
		return err
	}
	f.file, f.size = file, info.Size()
	if f.hour == "" {
		f.hour = currentHour()
	}
	return nil
}

func currentHour() string { return time.Now().Local().Format(hourPattern) }

// rotateIfDue renames the file when its size or hour says so and deletes the oldest surplus files.
// The file is closed afterwards if it was renamed.
func (f *File) rotateIfDue() error {
	var suffix string
	switch f.rotation.Type {
	case RolloverSize:
		if f.size < f.rotation.MaxBytes {
			return nil
		}
		suffix = strconv.Itoa(f.newestNumber() + 1)
	case RolloverHourly:
		if f.hour == currentHour() {
			return nil
		}
		suffix, f.hour = f.hour, currentHour()
	default:
		return nil
	}

	// A clock that was set back can lead to the same hour again. Its file must not be overwritten: this one grows on.
	target := f.path + "." + suffix
	if _, err := os.Lstat(target); !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("rotate %s: %s is in the way", f.path, target)
	}
	// Windows does not rename an open file.
	_ = f.file.Close()
	f.file = nil
	if err := os.Rename(f.path, target); err != nil {
		return fmt.Errorf("rotate: %w", err)
	}
	return f.deleteSurplus()
}

func (f *File) newestNumber() int {
	rotated := f.rotated()
	if len(rotated) == 0 {
		return 0
	}
	n, _ := strconv.Atoi(rotated[len(rotated)-1])
	return n
}

func (f *File) deleteSurplus() error {
	if f.rotation.MaxFiles <= 0 {
		return nil
	}
	var errs []error
	rotated := f.rotated()
	for _, suffix := range rotated[:max(0, len(rotated)-f.rotation.MaxFiles)] {
		errs = append(errs, os.Remove(f.path+"."+suffix))
	}
	return errors.Join(errs...)
}

// rotated returns the suffixes of the rotated files of this rotation type, oldest first.
func (f *File) rotated() []string {
	entries, err := os.ReadDir(filepath.Dir(f.path))
	if err != nil {
		return nil
	}
	var suffixes []string
	for _, e := range entries {
		suffix, ok := strings.CutPrefix(e.Name(), filepath.Base(f.path)+".")
		if ok && f.isSuffix(suffix) {
			suffixes = append(suffixes, suffix)
		}
	}
	slices.SortFunc(suffixes, func(a, b string) int {
		if f.rotation.Type == RolloverSize && len(a) != len(b) {
			return len(a) - len(b)
		}
		return strings.Compare(a, b)
	})
	return suffixes
}

func (f *File) isSuffix(s string) bool {
	if f.rotation.Type == RolloverSize {
		n, err := strconv.Atoi(s)
		return err == nil && strconv.Itoa(n) == s && n > 0
	}
	_, err := time.Parse(hourPattern, s)
	return err == nil
}

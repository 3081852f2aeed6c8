package kernelfile

import (
	"os"
	"sync"

	"golang.org/x/sys/unix"
)

// File is one file of the kernel, opened by its first Read. Not for concurrent use.
type File struct {
	path   string
	dir    int // path is relative to this directory; unix.AT_FDCWD for the working directory
	budget *Budget
	fd     int // of the kept file, plus 1; 0 when there is none
}

// New names a file. Close lets go of it.
func New(path string, budget *Budget) *File {
	return &File{path: path, dir: unix.AT_FDCWD, budget: budget}
}

// Path is the file's name.
func (f *File) Path() string { return f.path }

// Read gives the whole content, valid until the buffer is used again. A file of a cgroup or process that has ended gives
// an error that [Gone] recognises, also when another one of the same name exists by now: Close, and read anew.
func (f *File) Read(b *Buffer) ([]byte, error) {
	if f.fd > 0 {
		return readAll(f.fd-1, b, f.path)
	}
	fd, err := openAt(f.dir, f.path)
	if err != nil {
		return nil, err
	}
	if f.budget.take() {
		f.fd = fd + 1
	} else {
		defer unix.Close(fd)
	}
	return readAll(fd, b, f.path)
}

// Close lets go of the file; it may be read again.
func (f *File) Close() {
	if f.fd > 0 {
		_ = unix.Close(f.fd - 1)
		f.fd = 0
		f.budget.giveBack()
	}
}

func openAt(dir int, path string) (int, error) {
	for {
		fd, err := unix.Openat(dir, path, unix.O_RDONLY|unix.O_CLOEXEC, 0)
		if err == unix.EINTR {
			continue
		}
		if err != nil {
			return -1, &os.PathError{Op: "open", Path: path, Err: err}
		}
		return fd, nil
	}
}

func readAll(fd int, b *Buffer, path string) ([]byte, error) {
	data, n := b.space(), 0
	for {
		got, err := unix.Pread(fd, data[n:], int64(n))
		switch {
		case err == unix.EINTR:
			continue
		case err != nil:
			return nil, &os.PathError{Op: "read", Path: path, Err: err}
		case got == 0 || n+got < surelyWhole:
			return data[:n+got], nil
		}
		if n += got; n == len(data) {
			if n >= maxSize {
				return nil, &os.PathError{Op: "read", Path: path, Err: unix.EFBIG}
			}
			data = append(data, make([]byte, len(data))...)
			b.data = data
		}
	}
}

// Dir is an open directory whose files are read by name. Of a directory in proc that is a process: it never turns into a
// later process with the same number.
type Dir struct {
	fd   int
	path string
}

// OpenDir opens a directory.
func OpenDir(path string) (*Dir, error) {
	fd, err := unix.Open(path, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, &os.PathError{Op: "open", Path: path, Err: err}
	}
	return &Dir{fd: fd, path: path}, nil
}

// Read gives the content of a file in the directory, see [File.Read].
func (d *Dir) Read(name string, b *Buffer) ([]byte, error) {
	fd, err := openAt(d.fd, name)
	if err != nil {
		return nil, err
	}
	defer unix.Close(fd)
	return readAll(fd, b, name)
}

// OpenFD opens a file in the directory for the caller to close.
func (d *Dir) OpenFD(name string) (int, error) { return openAt(d.fd, name) }

// Close lets go of the directory.
func (d *Dir) Close() { _ = unix.Close(d.fd) }

// OpenFilesBudget lets a quarter of the files that the process may have open be kept open here.
var OpenFilesBudget = sync.OnceValue(func() *Budget {
	var limit unix.Rlimit
	if unix.Getrlimit(unix.RLIMIT_NOFILE, &limit) != nil {
		return newBudget(0)
	}
	return newBudget(int(min(limit.Cur/4, 1<<16)))
})

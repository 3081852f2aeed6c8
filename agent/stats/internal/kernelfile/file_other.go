//go:build !linux

package kernelfile

import (
	"os"
	"path/filepath"
)

// File is one file. There is no kernel here whose files would have to be read cheaply.
type File struct{ path string }

// New names a file.
func New(path string, _ *Budget) *File { return &File{path: path} }

// Path is the file's name.
func (f *File) Path() string { return f.path }

// Read gives the whole content.
func (f *File) Read(_ *Buffer) ([]byte, error) { return os.ReadFile(f.path) }

// Close does nothing.
func (f *File) Close() {}

// Dir is a directory.
type Dir struct{ path string }

// OpenDir names a directory.
func OpenDir(path string) (*Dir, error) {
	if _, err := os.Stat(path); err != nil {
		return nil, err
	}
	return &Dir{path}, nil
}

// Read gives the content of a file in the directory.
func (d *Dir) Read(name string, _ *Buffer) ([]byte, error) {
	return os.ReadFile(filepath.Join(d.path, name))
}

// Close does nothing.
func (d *Dir) Close() {}

// OpenFilesBudget keeps no files open.
func OpenFilesBudget() *Budget { return nil }

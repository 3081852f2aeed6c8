// Command imagetar writes the image of the agent as an archive for `docker load`, without Docker and for any
// architecture. The same input gives the same bytes.
//
//	imagetar -root DIRECTORY -arch ARCH -created SECONDS -o FILE
//
// DIRECTORY is the file system of the image.
package main

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"
)

const (
	repository = "amazon/amazon-ecs-agent"
	author     = "Amazon Web Services, Inc."
	layerDir   = "rootfs"
	path       = "PATH=/host/sbin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
)

// entryTime is that of everything inside the archives.
var entryTime = time.Unix(1492525740, 0)

func main() {
	root := flag.String("root", "", "directory with the file system of the image")
	arch := flag.String("arch", "", "architecture, as Go names it")
	created := flag.Int64("created", 0, "time of the build, in seconds since 1970")
	out := flag.String("o", "", "file to write")
	flag.Parse()
	if *root == "" || *arch == "" || *out == "" {
		flag.Usage()
		os.Exit(2)
	}
	if err := write(*out, *root, *arch, time.Unix(*created, 0).UTC()); err != nil {
		fmt.Fprintln(os.Stderr, "imagetar:", err)
		os.Exit(1)
	}
}

func write(out, root, arch string, created time.Time) error {
	layer, err := layerOf(root)
	if err != nil {
		return err
	}
	image, err := imageOf(layer, arch, created)
	if err != nil {
		return err
	}
	return os.WriteFile(out, image, 0o644)
}

// layerOf archives a directory. Owners are root, and modes are those of the files without what a umask may differ in.
func layerOf(root string) ([]byte, error) {
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || path == root {
			return err
		}
		name, err := filepath.Rel(root, path)
		if err != nil {
			return err
		}
		if entry.IsDir() {
			return w.WriteHeader(&tar.Header{Typeflag: tar.TypeDir, Name: name + "/", Mode: 0o755, ModTime: entryTime, Format: tar.FormatUSTAR})
		}
		if entry.Type() == fs.ModeSymlink {
			target, err := os.Readlink(path)
			if err != nil {
				return err
			}
			if target != filepath.Base(target) {
				return fmt.Errorf("%s is a link out of its directory, to %s", path, target)
			}
			return w.WriteHeader(&tar.Header{Typeflag: tar.TypeSymlink, Name: name, Linkname: target, Mode: 0o777, ModTime: entryTime, Format: tar.FormatUSTAR})
		}
		if !entry.Type().IsRegular() {
			return fmt.Errorf("%s is neither a file, a directory nor a symbolic link", path)
		}
		content, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		info, err := entry.Info()
		if err != nil {
			return err
		}
		mode := int64(0o644)
		if info.Mode()&0o100 != 0 {
			mode = 0o755
		}
		return add(w, name, mode, content)
	})
	if err == nil {
		err = w.Close()
	}
	return b.Bytes(), err
}

func add(w *tar.Writer, name string, mode int64, content []byte) error {
	header := &tar.Header{Typeflag: tar.TypeReg, Name: name, Mode: mode, Size: int64(len(content)), ModTime: entryTime, Format: tar.FormatUSTAR}
	if err := w.WriteHeader(header); err != nil {
		return err
	}
	_, err := w.Write(content)
	return err
}

type object = map[string]any

// imageOf wraps a layer in what `docker load` expects.
func imageOf(layer []byte, arch string, created time.Time) ([]byte, error) {
	sum := sha256.Sum256(layer)
	config := object{
		"author":       author,
		"created":      created.Format(time.RFC3339),
		"architecture": arch,
		"os":           "linux",
		"config": object{
			// A command, not an entry point: arguments behind the image's name replace it.
			"Cmd":          []string{"/agent"},
			"ArgsEscaped":  true,
			"ExposedPorts": object{"51678/tcp": object{}, "51679/tcp": object{}},
			"Env":          []string{path},
			"Healthcheck":  object{"Test": []string{"CMD", "/agent", "--healthcheck"}},
		},
		"history": []object{{"created": created.Format(time.RFC3339), "author": author, "created_by": "°o°", "empty_layer": true}},
		"rootfs":  object{"type": "layers", "diff_ids": []string{"sha256:" + hex.EncodeToString(sum[:])}},
	}
	manifest := []object{{"Config": "config.json", "RepoTags": []string{repository + ":latest"}, "Layers": []string{layerDir + "/layer.tar"}}}
	repositories := object{repository: object{"amazon-ecs": layerDir}}

	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, file := range []struct {
		name    string
		content any
	}{
		{"manifest.json", manifest}, {"repositories", repositories}, {"config.json", config},
		{layerDir + "/VERSION", []byte("1.0")}, {layerDir + "/layer.tar", layer},
	} {
		content, ok := file.content.([]byte)
		if !ok {
			var err error
			if content, err = json.Marshal(file.content); err != nil {
				return nil, err
			}
		}
		if err := add(w, file.name, 0o644, content); err != nil {
			return nil, err
		}
	}
	err := w.Close()
	return b.Bytes(), err
}

package main

import (
	"archive/tar"
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// entries reads an archive; directories have no content.
func entries(t *testing.T, archive []byte) map[string]string {
	t.Helper()
	found := map[string]string{}
	for r := tar.NewReader(bytes.NewReader(archive)); ; {
		header, err := r.Next()
		if errors.Is(err, io.EOF) {
			return found
		}
		if err != nil {
			t.Fatal(err)
		}
		if header.Uid != 0 || header.Gid != 0 || !header.ModTime.Equal(entryTime) {
			t.Errorf("%s belongs to %d:%d, time %s", header.Name, header.Uid, header.Gid, header.ModTime)
		}
		content, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		found[header.Name] = string(content)
		if header.Typeflag == tar.TypeSymlink {
			found[header.Name] = "-> " + header.Linkname
		}
	}
}

func TestImage(t *testing.T) {
	root := t.TempDir()
	if err := errors.Join(os.WriteFile(filepath.Join(root, "agent"), []byte("program"), 0o700), os.Mkdir(filepath.Join(root, "etc"), 0o700),
		os.WriteFile(filepath.Join(root, "etc", "file"), []byte("x"), 0o600), os.Symlink("file", filepath.Join(root, "etc", "link"))); err != nil {
		t.Fatal(err)
	}
	created := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	var images [2][]byte
	for i := range images {
		out := filepath.Join(t.TempDir(), "image.tar")
		if err := write(out, root, "arm64", created); err != nil {
			t.Fatal(err)
		}
		var err error
		if images[i], err = os.ReadFile(out); err != nil {
			t.Fatal(err)
		}
	}
	if !bytes.Equal(images[0], images[1]) {
		t.Error("two builds differ")
	}
	files := entries(t, images[0])
	if diff := cmp.Diff(map[string]string{"agent": "program", "etc/": "", "etc/file": "x", "etc/link": "-> file"}, entries(t, []byte(files["rootfs/layer.tar"]))); diff != "" {
		t.Error(diff)
	}
	var config struct {
		RootFS struct {
			DiffIDs []string `json:"diff_ids"`
		}
	}
	if err := json.Unmarshal([]byte(files["config.json"]), &config); err != nil {
		t.Fatal(err)
	}
	delete(files, "rootfs/layer.tar")
	want := map[string]string{
		"manifest.json":  `[{"Config":"config.json","Layers":["rootfs/layer.tar"],"RepoTags":["amazon/amazon-ecs-agent:latest"]}]`,
		"repositories":   `{"amazon/amazon-ecs-agent":{"amazon-ecs":"rootfs"}}`,
		"rootfs/VERSION": "1.0",
		"config.json": `{"architecture":"arm64","author":"Amazon Web Services, Inc.","config":{"ArgsEscaped":true,"Cmd":["/agent"],` +
			`"Env":["PATH=/host/sbin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"],"ExposedPorts":{"51678/tcp":{},"51679/tcp":{}},` +
			`"Healthcheck":{"Test":["CMD","/agent","--healthcheck"]}},"created":"2026-01-02T03:04:05Z",` +
			`"history":[{"author":"Amazon Web Services, Inc.","created":"2026-01-02T03:04:05Z","created_by":"°o°","empty_layer":true}],"os":"linux",` +
			`"rootfs":{"diff_ids":["` + config.RootFS.DiffIDs[0] + `"],"type":"layers"}}`,
	}
	if diff := cmp.Diff(want, files); diff != "" {
		t.Error(diff)
	}
}

func TestLinksStayInTheirDirectory(t *testing.T) {
	root := t.TempDir()
	if err := os.Symlink("../x", filepath.Join(root, "link")); err != nil {
		t.Fatal(err)
	}
	if err := write(filepath.Join(t.TempDir(), "o"), root, "amd64", time.Now()); err == nil {
		t.Error("no error")
	}
}

package download

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/aws/amazon-ecs-agent/agent/awsclient"
	"github.com/aws/amazon-ecs-agent/ecs-init/command"
	"github.com/aws/amazon-ecs-agent/ecs-init/log"
)

const (
	// totalLimit is for everything, a slow line included.
	totalLimit = time.Hour
	// partPattern is the end of the names of files on their way, behind the name of what they will be.
	partPattern = ".*.part"

	urlVariable     = "ECS_INIT_DOWNLOAD_URL"
	keyringVariable = "ECS_INIT_DOWNLOAD_KEYRING"
)

// errNotFetched says that no location gave a file; the log tells why of each.
var errNotFetched = errors.New("failed to download file from s3")

// Downloader fetches the agent's image.
type Downloader struct {
	Version string // of the agent
	Arch    string // as Go names it
	Getenv  func(string) string
	// Region is asked once per download, unless the operator named the locations.
	Region    func(ctx context.Context) string
	DualStack bool // the host reaches IPv6 addresses alone
	Run       command.Run
	HTTP      *http.Client
}

// NewHTTP gives the client of downloads: that of calls to AWS, which also follows redirects as mirrors use them.
func NewHTTP() *http.Client {
	client := awsclient.NewHTTPClient(false)
	client.CheckRedirect = func(r *http.Request, via []*http.Request) error {
		switch {
		case len(via) >= 10:
			return errors.New("stopped after 10 redirects")
		case via[0].URL.Scheme == "https" && r.URL.Scheme != "https":
			return fmt.Errorf("refused the redirect from https to %s", r.URL.Scheme)
		}
		return nil
	}
	return client
}

// Fetch puts the image at target, replacing what is there. Checksum and, with a keyring configured, signature are
// verified first: on an error target is what it was, and nothing else stays behind.
func (d Downloader) Fetch(ctx context.Context, target string) error {
	ctx, cancel := context.WithTimeout(ctx, totalLimit)
	defer cancel()
	key, err := key(d.Version, d.Arch)
	if err != nil {
		return err
	}
	dir := filepath.Dir(target)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	removeLeftovers(dir)
	from, err := d.locations(ctx)
	if err != nil {
		return err
	}

	sum, err := d.fetchSum(ctx, from, dir, key)
	if err != nil {
		return fmt.Errorf("failed to download md5 file for published tarball: %w", err)
	}
	archive, err := d.fetchFile(ctx, from, dir, key, maxArchive)
	if err != nil {
		return fmt.Errorf("failed to download published tarball: %w", err)
	}
	defer os.Remove(archive) // nothing is left of it after the rename
	switch matches, err := sum.matches(archive); {
	case err != nil:
		return err
	case !matches:
		return fmt.Errorf("downloaded agent %q does not match expected checksum", key)
	}
	if keyring := d.Getenv(keyringVariable); keyring != "" {
		if err := d.verify(ctx, from, keyring, archive, key); err != nil {
			return fmt.Errorf("downloaded agent %q: %w", key, err)
		}
	}
	return os.Rename(archive, target)
}

func (d Downloader) locations(ctx context.Context) ([]location, error) {
	if list := chosen(d.Getenv(urlVariable)); len(list) > 0 {
		return list, nil
	}
	return published(d.Getenv, d.Region(ctx), d.DualStack)
}

// removeLeftovers removes what a download left that was interrupted, for example by a power cut.
func removeLeftovers(dir string) {
	parts, _ := filepath.Glob(filepath.Join(dir, "ecs-agent-*.part"))
	for _, part := range parts {
		if err := os.RemoveAll(part); err != nil {
			log.Warnf("could not remove the rest of an interrupted download: %v", err)
		}
	}
}

// fetchFile fetches a file from the first location that has it, into a new file in dir, and returns that file's path.
func (d Downloader) fetchFile(ctx context.Context, from []location, dir, key string, most int64) (string, error) {
	for _, l := range from {
		path, err := d.fetchTo(ctx, l, dir, key, most)
		if err == nil {
			return path, nil
		}
		log.Errorf("failed to download %s from %s: %v", key, l.text, err)
		if full(err) {
			return "", err
		}
	}
	return "", errNotFetched
}

func (d Downloader) fetchTo(ctx context.Context, l location, dir, key string, most int64) (string, error) {
	file, err := os.CreateTemp(dir, key+partPattern)
	if err != nil {
		return "", err
	}
	err = transfer{client: d.HTTP, url: l.base + "/" + key, file: file, most: most}.run(ctx)
	if err == nil {
		err = errors.Join(file.Chmod(0o644), file.Sync())
	}
	if err = errors.Join(err, file.Close()); err != nil {
		return "", errors.Join(err, os.Remove(file.Name()))
	}
	return file.Name(), nil
}

// fetchText fetches a short file from one location.
func (d Downloader) fetchText(ctx context.Context, l location, dir, key string) (string, error) {
	path, err := d.fetchTo(ctx, l, dir, key, maxText)
	if err != nil {
		return "", err
	}
	defer os.Remove(path)
	content, err := os.ReadFile(path)
	return strings.TrimSpace(string(content)), err
}

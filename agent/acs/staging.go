package acs

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/aws/amazon-ecs-agent/agent/logger"
)

const (
	downloadTimeout = 15 * time.Minute
	// downloadLimit is far more than an agent image has.
	downloadLimit = 1 << 30
	stagedSuffix  = ".ecs-update.tar"
	// desiredImage is the file that tells ecs-init which image to load: its first line is the base name.
	desiredImage = "desired-image"
)

var (
	//lint:ignore ST1005 the text ECS shows
	errHashsum      = errors.New("Hashsum validation failed")
	errNoStagingDir = errors.New("no directory for updates is configured (ECS_UPDATE_DOWNLOAD_DIR)")
)

// Staging is the directory in which ecs-init finds images to update to. One goroutine at a time may use it.
type Staging struct {
	// Dir is shared with ecs-init (ECS_UPDATE_DOWNLOAD_DIR).
	Dir string
	// HTTP downloads; it must verify certificates whatever the agent's own connections do.
	HTTP *http.Client
	// UserAgent is "<agent version> (<os>) (+http://aws.amazon.com/ecs/)".
	UserAgent string
	// DualStack asks for the dual-stack name of Amazon S3, for instances that have IPv6 only.
	DualStack bool
}

// Fetch downloads an image and makes it the desired one. signature is the SHA-256 of the file in lower-case hex. Images
// staged before are removed. Texts of errors reach ECS.
func (s *Staging) Fetch(ctx context.Context, location, signature string) error {
	if s.Dir == "" {
		return errNoStagingDir
	}
	ctx, cancel := context.WithTimeout(ctx, downloadTimeout)
	defer cancel()
	name, err := stagedName()
	if err != nil {
		return err
	}
	path := filepath.Join(s.Dir, name)
	sum, err := s.download(ctx, location, path)
	if err == nil && sum != signature {
		err = errHashsum
	}
	if err == nil {
		err = s.desire(name)
	}
	if err != nil {
		_ = os.Remove(path)
		return err
	}
	s.removeOthers(name)
	return nil
}

// download writes the file at location to path and returns its SHA-256.
func (s *Staging) download(ctx context.Context, location, path string) (string, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, s.address(location), nil)
	if err != nil {
		return "", errors.New("the location is not a URL") // which may be signed: not to be shown
	}
	request.Header.Set("User-Agent", s.UserAgent)
	response, err := s.HTTP.Do(request)
	if err != nil {
		var failed *url.Error
		if errors.As(err, &failed) {
			err = failed.Err // without the URL
		}
		return "", err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return "", fmt.Errorf("HTTP status %s", response.Status)
	}
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return "", err
	}
	defer file.Close()
	hash := sha256.New()
	n, err := io.Copy(io.MultiWriter(file, hash), io.LimitReader(response.Body, downloadLimit+1))
	switch {
	case err != nil:
		return "", err
	case n > downloadLimit:
		return "", fmt.Errorf("the file is larger than %d bytes", downloadLimit)
	}
	if err := errors.Join(file.Sync(), file.Close()); err != nil {
		return "", err
	}
	return hex.EncodeToString(hash.Sum(nil)), nil
}

func (s *Staging) address(location string) string {
	if !s.DualStack || strings.Contains(location, "s3.dualstack.") {
		return location
	}
	return strings.Replace(location, "s3.", "s3.dualstack.", 1)
}

func stagedName() (string, error) {
	var random [10]byte
	if _, err := rand.Read(random[:]); err != nil {
		return "", err
	}
	return hex.EncodeToString(random[:]) + stagedSuffix, nil
}

// desire makes name the image that ecs-init loads. The file is replaced in one step: ecs-init never sees half of it.
func (s *Staging) desire(name string) error {
	file, err := os.CreateTemp(s.Dir, "."+desiredImage+"-*")
	if err != nil {
		return err
	}
	defer os.Remove(file.Name())
	_, err = file.WriteString(name + "\n")
	if err := errors.Join(err, file.Chmod(0o644), file.Sync(), file.Close()); err != nil {
		return err
	}
	return os.Rename(file.Name(), filepath.Join(s.Dir, desiredImage))
}

// Holds reports whether the desired image is there and has the given SHA-256.
func (s *Staging) Holds(signature string) bool {
	if s.Dir == "" {
		return false
	}
	line, err := os.ReadFile(filepath.Join(s.Dir, desiredImage))
	if err != nil {
		return false
	}
	name, _, _ := strings.Cut(string(line), "\n")
	file, err := os.Open(filepath.Join(s.Dir, filepath.Base(name)))
	if err != nil {
		return false
	}
	defer file.Close()
	hash := sha256.New()
	if _, err := io.Copy(hash, file); err != nil {
		return false
	}
	return hex.EncodeToString(hash.Sum(nil)) == signature
}

func (s *Staging) removeOthers(keep string) {
	others, _ := filepath.Glob(filepath.Join(s.Dir, "*"+stagedSuffix))
	for _, path := range others {
		if filepath.Base(path) == keep {
			continue
		}
		if err := os.Remove(path); err != nil {
			logger.Warn("Could not remove an image that was superseded", logger.F("path", path), logger.Err(err))
		}
	}
}

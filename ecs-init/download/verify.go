package download

import (
	"bytes"
	"context"
	"crypto/md5"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/aws/amazon-ecs-agent/ecs-init/log"
)

// checksum is what an archive is expected to have.
type checksum struct {
	hash func() hash.Hash
	hex  string
}

// matches compares a file with the sum.
func (c checksum) matches(path string) (bool, error) {
	file, err := os.Open(path)
	if err != nil {
		return false, err
	}
	defer file.Close()
	h := c.hash()
	_, err = io.Copy(h, file)
	return hex.EncodeToString(h.Sum(nil)) == c.hex, err
}

// sums are the kinds of published checksums, the strongest first. MD5 says that the transfer was complete, no more.
var sums = []struct {
	suffix string
	hash   func() hash.Hash
}{
	{".sha256", sha256.New},
	{".md5", md5.New},
}

// fetchSum fetches the best checksum that is published.
func (d Downloader) fetchSum(ctx context.Context, from []location, dir, key string) (checksum, error) {
	for _, l := range from {
		for _, kind := range sums {
			text, err := d.fetchText(ctx, l, dir, key+kind.suffix)
			if missing(err) && kind.suffix != ".md5" {
				continue
			}
			if err == nil {
				var sum checksum
				if sum, err = parseSum(text, kind.hash); err == nil {
					return sum, nil
				}
			}
			log.Errorf("failed to download %s from %s: %v", key+kind.suffix, l.text, err)
			break
		}
	}
	return checksum{}, errNotFetched
}

// parseSum reads the hexadecimal digits at the beginning of a checksum file; the name of the file may follow.
func parseSum(text string, kind func() hash.Hash) (checksum, error) {
	digits, _, _ := strings.Cut(text, " ")
	digits = strings.ToLower(digits)
	if raw, err := hex.DecodeString(digits); err != nil || len(raw) != kind().Size() {
		return checksum{}, errors.New("not a checksum")
	}
	return checksum{hash: kind, hex: digits}, nil
}

// verify checks the published signature of the archive with the keys an operator trusts.
func (d Downloader) verify(ctx context.Context, from []location, keyring, archive, key string) error {
	dir, err := os.MkdirTemp(filepath.Dir(archive), "ecs-agent-signature"+partPattern)
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	var signature string
	for _, l := range from {
		if signature, err = d.fetchText(ctx, l, dir, key+".asc"); err == nil {
			break
		}
		log.Errorf("failed to download %s from %s: %v", key+".asc", l.text, err)
	}
	if err != nil {
		return fmt.Errorf("no signature: %w", errNotFetched)
	}
	asc, keys := filepath.Join(dir, "signature.asc"), filepath.Join(dir, "keys.gpg")
	content, err := os.ReadFile(keyring)
	if err != nil {
		return fmt.Errorf("keyring of %s: %w", keyringVariable, err)
	}
	if content, err = dearmor(content); err != nil {
		return fmt.Errorf("keyring %s: %w", keyring, err)
	}
	if err := errors.Join(os.WriteFile(asc, []byte(signature), 0o600), os.WriteFile(keys, content, 0o600)); err != nil {
		return err
	}
	_, err = d.Run(ctx, "gpgv", "--keyring", keys, asc, archive)
	if errors.Is(err, exec.ErrNotFound) {
		return fmt.Errorf("cannot verify the signature without gpgv; install it (package gpgv or gnupg2) or unset %s", keyringVariable)
	}
	if err != nil {
		return fmt.Errorf("signature is not good: %w", err)
	}
	return nil
}

// dearmor turns a key in text form into the binary form gpgv reads; a binary one stays as it is.
func dearmor(content []byte) ([]byte, error) {
	const begin, end = "-----BEGIN PGP PUBLIC KEY BLOCK-----", "-----END PGP"
	_, rest, armored := bytes.Cut(content, []byte(begin))
	if !armored {
		return content, nil
	}
	// Headers, an empty line, base64 lines, and a checksum line that begins with =.
	rest, _, found := bytes.Cut(bytes.ReplaceAll(rest, []byte("\r"), nil), []byte(end))
	_, body, blank := bytes.Cut(rest, []byte("\n\n"))
	if !found || !blank {
		return nil, errors.New("not a complete PGP public key block")
	}
	if at := bytes.LastIndex(body, []byte("\n=")); at >= 0 {
		body = body[:at]
	}
	return base64.StdEncoding.DecodeString(string(bytes.Join(bytes.Fields(body), nil)))
}

package awsclient

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// Environment is the part of the process environment that AWS settings come from. The zero value stands for the real one.
type Environment struct {
	Getenv   func(name string) string
	ReadFile func(path string) ([]byte, error)
	// HomeDir holds .aws/config and .aws/credentials; empty means the user's home directory.
	HomeDir string
}

func (e Environment) orReal() Environment {
	if e.Getenv == nil {
		e.Getenv = os.Getenv
	}
	if e.ReadFile == nil {
		e.ReadFile = os.ReadFile
	}
	if e.HomeDir == "" {
		e.HomeDir, _ = os.UserHomeDir() // no home directory: the default files do not exist
	}
	return e
}

// profileName is the profile selected by AWS_PROFILE (AWS_DEFAULT_PROFILE is its older name).
func (e Environment) profileName() string {
	if _, p := firstSet(e.Getenv, "AWS_PROFILE", "AWS_DEFAULT_PROFILE"); p != "" {
		return p
	}
	return defaultProfile
}

func (e Environment) credentialsFile() string {
	if p := e.Getenv("AWS_SHARED_CREDENTIALS_FILE"); p != "" {
		return p
	}
	return filepath.Join(e.HomeDir, ".aws", "credentials")
}

func (e Environment) configFile() string {
	if p := e.Getenv("AWS_CONFIG_FILE"); p != "" {
		return p
	}
	return filepath.Join(e.HomeDir, ".aws", "config")
}

// keyPair reads the key pair of a profile from one file; what names the file in errors.
func (e Environment) keyPair(what, path, profileName string) (Credentials, error) {
	text, err := e.ReadFile(path)
	if err != nil {
		return Credentials{}, fmt.Errorf("read %s: %w", what, err)
	}
	c := profile(parseINI(text)[profileName]).staticKeys()
	if !c.Valid() {
		return Credentials{}, fmt.Errorf("profile %q in %s %w", profileName, path, errNoKeyPair)
	}
	return c, nil
}

// firstSet returns the first of the variables that is not empty, and its value.
func firstSet(getenv func(string) string, names ...string) (name, value string) {
	for _, name = range names {
		if value = getenv(name); value != "" {
			return name, value
		}
	}
	return name, ""
}

// readOptional reads a file that need not exist.
func (e Environment) readOptional(path string) ([]byte, error) {
	b, err := e.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	return b, err
}

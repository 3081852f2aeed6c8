// Package awsdata stands in for the AWS services whose data tasks need: parameters of the SSM Parameter Store, secrets of
// Secrets Manager, objects of Amazon S3 and registry tokens of Amazon ECR. All come from files below one directory, which
// are read at each request:
//
//	parameters.json       {"/prod/db/password": "…"}
//	secrets.json          {"prod/db": {"user": "…", "password": "…"}, "plain": "…"}: the text of a secret, or its JSON
//	                      In both, {"$versions": […]} in the place of a value lists its versions.
//	s3/BUCKET/KEY         objects
//	registry.json         {"address": "127.0.0.1:5000", "username": "…", "password": "…"}: the registry behind Amazon ECR
//
// It is a subset for the calls that agents make. Signatures are not verified.
package awsdata

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"time"

	"github.com/aws/amazon-ecs-agent/misc/local-ecs/internal/ecs"
)

// Data is the directory.
type Data struct {
	Dir   string
	Names ecs.Names
	Now   func() time.Time

	mu    sync.Mutex
	calls map[string]int
}

// Calls counts the calls by operation.
func (d *Data) Calls() map[string]int {
	d.mu.Lock()
	defer d.mu.Unlock()
	out := map[string]int{}
	for name, n := range d.calls {
		out[name] = n
	}
	return out
}

func (d *Data) count(operation string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.calls == nil {
		d.calls = map[string]int{}
	}
	d.calls[operation]++
}

// Check reads all files, so that what is wrong with them is told at the start.
func (d *Data) Check() error {
	if info, err := os.Stat(d.Dir); err != nil {
		return err
	} else if !info.IsDir() {
		return fmt.Errorf("%s is not a directory", d.Dir)
	}
	_, err := d.parameters()
	_, secretsErr := d.secrets()
	_, registryErr := d.Registry()
	return errors.Join(err, secretsErr, registryErr)
}

// read decodes a file of the directory; one that is not there leaves into as it is.
func (d *Data) read(name string, into any) error {
	text, err := os.ReadFile(filepath.Join(d.Dir, name))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(into); err != nil {
		return fmt.Errorf("%s: %w", filepath.Join(d.Dir, name), err)
	}
	return nil
}

func (d *Data) parameters() (map[string][]parameterVersion, error) {
	return readVersions(d, "parameters.json", parameterVersions)
}

func (d *Data) secrets() (map[string][]secretVersion, error) {
	return readVersions(d, "secrets.json", secretVersions)
}

func readVersions[V any](d *Data, file string, versions func(json.RawMessage) ([]V, error)) (map[string][]V, error) {
	var all map[string]json.RawMessage
	if err := d.read(file, &all); err != nil {
		return nil, err
	}
	out := map[string][]V{}
	for name, raw := range all {
		list, err := versions(raw)
		if err != nil {
			return nil, fmt.Errorf("%s: %s: %w", filepath.Join(d.Dir, file), name, err)
		}
		out[name] = list
	}
	return out, nil
}

// Registry is the registry that stands in for Amazon ECR.
type Registry struct {
	Address  string `json:"address"` // host:port, as in image names
	Username string `json:"username"`
	Password string `json:"password"`
}

// Registry is nil when there is none.
func (d *Data) Registry() (*Registry, error) {
	var r *Registry
	if err := d.read("registry.json", &r); err != nil || r == nil {
		return nil, err
	}
	if r.Address == "" || strings.ContainsAny(r.Address, "/ ") {
		return nil, fmt.Errorf("%s: address %q is not HOST:PORT", filepath.Join(d.Dir, "registry.json"), r.Address)
	}
	return r, nil
}

func (d *Data) arn(service, resource string) string {
	return "arn:" + d.Names.Partition + ":" + service + ":" + d.Names.Region + ":" + d.Names.Account + ":" + resource
}

// parameterName takes a name or an ARN. ARNs leave out the slash that names of hierarchies begin with.
func (d *Data) parameterName(nameOrARN string, known map[string][]parameterVersion) (string, bool) {
	if _, has := known[nameOrARN]; has {
		return nameOrARN, true
	}
	rest, isARN := strings.CutPrefix(nameOrARN, d.arn("ssm", "parameter/"))
	if !isARN {
		return "", false
	}
	for _, name := range []string{rest, "/" + rest} {
		if _, has := known[name]; has {
			return name, true
		}
	}
	return "", false
}

func (d *Data) parameterARN(name string) string {
	return d.arn("ssm", "parameter/"+strings.TrimPrefix(name, "/"))
}

// secretSuffix is what Secrets Manager appends to the name of a secret in its ARN.
const secretSuffix = "-LocAL1"

// anySuffix of an ARN is taken for the secret's.
var anySuffix = regexp.MustCompile(`-[A-Za-z0-9]{6}$`)

func (d *Data) secretARN(name string) string {
	return d.arn("secretsmanager", "secret:"+name+secretSuffix)
}

// secretName takes a name, or an ARN with or without its suffix.
func (d *Data) secretName(id string, known map[string][]secretVersion) (string, bool) {
	name := strings.TrimPrefix(id, d.arn("secretsmanager", "secret:"))
	for _, n := range []string{name, anySuffix.ReplaceAllString(name, "")} {
		if _, has := known[n]; has {
			return n, true
		}
	}
	return "", false
}

// textOf is a secret's text: that of a JSON string, else the JSON itself.
func textOf(raw json.RawMessage) string {
	var text string
	if json.Unmarshal(raw, &text) == nil {
		return text
	}
	var compact bytes.Buffer
	if json.Compact(&compact, raw) != nil {
		return string(raw)
	}
	return compact.String()
}

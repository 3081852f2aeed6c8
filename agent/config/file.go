package config

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"

	"github.com/aws/amazon-ecs-agent/agent/logger"
)

const (
	defaultConfigFile = "/etc/ecs_container_agent/config.json"

	// deprecatedClusterKey is an old name of Cluster, known in the file only.
	deprecatedClusterKey = "ClusterArn"
	// userDataKey is the top key of user data that is meant for the agent.
	userDataKey = "ECSAgentConfiguration"
)

// file reads the JSON file. No file is no configuration; a broken one is fatal.
func (l *loader) file() layer {
	path := cmp.Or(l.get("ECS_AGENT_CONFIG_FILE_PATH"), defaultConfigFile)
	text, err := l.ReadFile(path)
	var pathErr *fs.PathError
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case errors.As(err, &pathErr) && pathErr.Op == "open":
		l.warnf("Ignoring the configuration file: %v", err)
		return nil
	case err != nil:
		l.errs = append(l.errs, fmt.Errorf("configuration file: %w", err))
		return nil
	case len(bytes.TrimSpace(text)) == 0:
		return nil
	}
	values, old, err := decodeDocument(text, l.rows)
	if err != nil {
		l.errs = append(l.errs, fmt.Errorf("configuration file %s: %w", path, err))
		return nil
	}
	if cluster, _ := values["Cluster"].(string); cluster == "" && old != "" {
		l.warnf("Use of deprecated configuration key, key: %s message: Please use Cluster instead", deprecatedClusterKey)
		values["Cluster"] = old
	}
	return values
}

// userData reads the configuration in EC2 user data. Anything else found there, such as a shell script, is none of the agent's business.
func (l *loader) userData(ctx context.Context) layer {
	ctx, cancel := context.WithTimeout(ctx, metadataTimeout)
	defer cancel()
	text, err := l.Metadata.UserData(ctx)
	if err != nil {
		l.warnf("Unable to fetch user data: %v", err)
		return nil
	}
	values, err := decodeUserData([]byte(text), l.rows)
	if err != nil {
		l.Log(logger.LevelDebug, fmt.Sprintf("User data holds no agent configuration: %v", err))
		return nil
	}
	return values
}

func decodeUserData(text []byte, rows []setting) (layer, error) {
	var section json.RawMessage
	err := eachMember(text, func(key string, raw json.RawMessage) error {
		if strings.EqualFold(key, userDataKey) {
			section = raw
		}
		return nil
	})
	if err != nil || section == nil {
		return nil, err
	}
	values, _, err := decodeDocument(section, rows)
	return values, err
}

// decodeDocument reads a JSON object of settings. Keys match in any case, unknown ones are ignored, null is no value.
func decodeDocument(text []byte, rows []setting) (values layer, oldCluster string, err error) {
	byKey := map[string]setting{}
	for _, s := range rows {
		if s.key != "" {
			byKey[strings.ToLower(s.key)] = s
		}
	}
	values = layer{}
	err = eachMember(text, func(key string, raw json.RawMessage) error {
		if string(raw) == "null" {
			return nil
		}
		if strings.EqualFold(key, deprecatedClusterKey) {
			return keyError(key, json.Unmarshal(raw, &oldCluster))
		}
		s, known := byKey[strings.ToLower(key)]
		if !known {
			return nil
		}
		v, err := s.kind.decode(raw)
		if err == nil && !s.envOnly {
			values[s.fieldName()] = v
		}
		return keyError(key, err)
	})
	return values, oldCluster, err
}

func keyError(key string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("key %s: %w", key, err)
}

// eachMember calls visit for each member of the JSON object that is the whole of text, in its order, so that of duplicate
// keys the last wins also when they differ in case. null counts as an empty object.
func eachMember(text []byte, visit func(key string, raw json.RawMessage) error) error {
	if string(bytes.TrimSpace(text)) == "null" {
		return nil
	}
	dec := json.NewDecoder(bytes.NewReader(text))
	start, err := dec.Token()
	if err != nil {
		return err
	}
	if start != json.Delim('{') {
		return fmt.Errorf("expected a JSON object, found %v", start)
	}
	for dec.More() {
		key, err := dec.Token()
		if err != nil {
			return err
		}
		var raw json.RawMessage
		if err := dec.Decode(&raw); err != nil {
			return err
		}
		if err := visit(key.(string), raw); err != nil {
			return err
		}
	}
	if _, err := dec.Token(); err != nil { // the closing brace
		return err
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return errors.New("text after the JSON object")
	}
	return nil
}

package awsclient

import (
	"fmt"
	"strings"
)

const defaultProfile = "default"

// profile holds the properties of one profile of the shared configuration, config file first, credentials file on top.
type profile map[string]string

// loadProfile merges what the config file and the credentials file say about the named profile. Neither file need exist;
// a profile that exists in neither is empty.
func loadProfile(env Environment, name string) (profile, iniFile, error) {
	configText, err := env.readOptional(env.configFile())
	if err != nil {
		return nil, nil, fmt.Errorf("read shared config file: %w", err)
	}
	credentialsText, err := env.readOptional(env.credentialsFile())
	if err != nil {
		return nil, nil, fmt.Errorf("read shared credentials file: %w", err)
	}
	config, credentials := parseINI(configText), parseINI(credentialsText)

	merged := profile{}
	// In the config file only the default profile may go without the word "profile"; the longer form wins.
	if name == defaultProfile {
		merged.add(config[defaultProfile])
	}
	merged.add(config["profile "+name])
	merged.add(credentials[name])
	return merged, config, nil
}

func (p profile) add(properties map[string]string) {
	for k, v := range properties {
		p[k] = v
	}
}

// staticKeys returns the key pair written in the profile, invalid when it has none.
func (p profile) staticKeys() Credentials {
	return Credentials{
		AccessKeyID:     p["aws_access_key_id"],
		SecretAccessKey: p["aws_secret_access_key"],
		SessionToken:    p["aws_session_token"],
	}
}

// usesSSO reports whether the profile gets its credentials from IAM Identity Center.
func (p profile) usesSSO() bool {
	for k := range p {
		if strings.HasPrefix(k, "sso_") {
			return true
		}
	}
	return false
}
